"""What ``%vml`` shows: all that a verb tells, as HTML for notebooks and as text for everything else.

Titles, notes and names in entries may be written by others, so nothing is shown but through ``drawing``. Outputs are
saved with the notebook, so no address of a machine is among them: it holds the machine's key. See ``door``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from vml_jupyter.cli.output import plain
from vml_jupyter.errors import Usage, VmlError
from vml_jupyter.kernel import drawing
from vml_jupyter.kernel.progress import TextProgress, WidgetProgress, progress_for
from vml_jupyter.kernel.session import Session

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"
_KEY = re.compile(r"(?<=token=)[\w.~%+-]+")
_COMMAND = re.compile(r"`vml(?= [a-z])")


@dataclass(frozen=True)
class Result:
    """What a verb told, and the record or records that it is about as ``value``.

    Attributes and items of the value are those of the result, too: ``entry = %vml snapshot`` has ``entry.id``.
    """

    value: Any
    blocks: Sequence[drawing.Block]
    notes: Sequence[str] = field(default=())

    def html(self) -> str:
        return drawing.html(self.blocks, self.notes)

    def text(self) -> str:
        return drawing.text(self.blocks, self.notes)

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        return self.text()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.value, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.value)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)

    def __bool__(self) -> bool:
        return True


class NotebookPage:
    """Collect what one verb tells; long work shows its progress meanwhile."""

    in_kernel = True

    def __init__(self, shell: Any, session: Session) -> None:
        self._shell, self._session = shell, session
        self._blocks: list[drawing.Block] = []
        self._notes: list[str] = []
        self._value: object = None

    def finished(self) -> Result | None:
        """Return all that was told, None for nothing."""
        if not self._blocks and not self._notes and self._value is None:
            return None
        return Result(self._value, tuple(self._blocks), tuple(self._notes))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> None:
        cells = [[saved(cell) for cell in row] for row in rows]
        self._blocks.append(drawing.Table(caption or head[0], list(head), cells))

    def line(self, text: str) -> None:
        if text:
            self._blocks.append(drawing.Line(saved(text)))

    def paragraphs(self, text: str) -> None:
        self._blocks.append(drawing.Text(saved(text)))

    def raw(self, text: str) -> None:
        self.paragraphs(text)

    def warn(self, text: str) -> None:
        self._notes.append(saved(text))

    def link(self, url: str, machine: str, *, browse: bool) -> None:
        with progress_for(self._shell) as shown:
            shown.link(url, machine)
        self.line(f"The link above works in this session only; `vml open {machine}` shows another.")

    def json(self, encoded: bytes) -> None:
        self._value = msgspec.json.decode(encoded)
        self._blocks = [drawing.Text(saved(encoded.decode()))]

    def result(self, value: object) -> None:
        self._value = value

    @contextmanager
    def progress(self) -> Iterator[TextProgress | WidgetProgress]:
        with progress_for(self._shell) as progress:
            yield progress
        self._notes += map(saved, progress.notes)

    def notebook(self, area: Path) -> str | None:
        found = self._session.notebook_in(area)
        self._notes += self._session.warnings(area, found)
        return found

    def can_ask(self) -> bool:
        return bool(getattr(getattr(self._shell, "kernel", None), "_allow_stdin", True))

    def standard_input(self) -> str:
        raise Usage("a notebook has no standard input", "Name a file, or give the text itself.")


def saved(text: str) -> str:
    """Return a text as it may be saved with a notebook: without keys, and with commands as they are written here."""
    return _COMMAND.sub("`%vml", _KEY.sub("...", text))


def problem(error: VmlError) -> list[str]:
    """Return the lines that a front end shows in the place of a traceback."""
    heading, *more = str(error.message).splitlines() or [error.code]
    console = getattr(error, "console", "")
    lines = [f"{_RED}{plain(saved(heading))}{_PLAIN}", *more, saved(error.hint)]
    lines += console.splitlines()
    return [lines[0], *(plain(line) for line in lines[1:] if line)]
