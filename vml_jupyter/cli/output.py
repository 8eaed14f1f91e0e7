"""How results are told: each verb says what there is to a page, which prints it, or draws it in a notebook.

    output.table(("ENTRY", "TITLE"), rows, "Logbook")     output.line("Entry k3v9 ...")     output.link(url, machine)

The page is a terminal's, unless another door stands in its own with ``onto``. Titles, notes and file names may be
written by others, so what a terminal would obey is shown instead, in text and in JSON alike.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from vml_jupyter.progress import Progress

_WIDEST = 120
_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


class Page(Protocol):
    """What a verb may tell, and what it may ask of where it was called."""

    in_kernel: bool
    """Whether this process is the kernel of the notebook that is captured."""

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> None:
        """Show rows under a heading."""

    def line(self, text: str) -> None:
        """Show one line."""

    def paragraphs(self, text: str) -> None:
        """Show a text of several lines."""

    def raw(self, text: str) -> None:
        """Give a text that is to be copied as it is."""

    def warn(self, text: str) -> None:
        """Say what matters to the user but is no result."""

    def link(self, url: str, machine: str, *, browse: bool) -> None:
        """Show where a notebook is open; the address holds a machine's key, so it is never to be saved."""

    def json(self, encoded: bytes) -> None:
        """Give one JSON value to a program."""

    def result(self, value: object) -> None:
        """Take the record, or records, that all the rest is told of."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Return who listens to the work, for a ``with`` block."""

    def notebook(self, area: Path) -> str | None:
        """Return the notebook that the verb was called from, relative to the area; None where that is none."""

    def can_ask(self) -> bool:
        """Tell whether there is somebody who could be asked for a password."""

    def standard_input(self) -> str:
        """Return all of the standard input.

        Raises:
            Usage: There is none.
        """


class TerminalPage:
    """The standard output, with progress on the standard error."""

    in_kernel = False

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> None:
        for each in table_lines(head, rows):
            print(each)

    def line(self, text: str) -> None:
        print(plain(text))

    def paragraphs(self, text: str) -> None:
        for each in text.splitlines():
            print(plain(each.expandtabs()))

    def raw(self, text: str) -> None:
        sys.stdout.write(text)

    def warn(self, text: str) -> None:
        print(plain(f"vml: {text}"), file=sys.stderr)

    def link(self, url: str, machine: str, *, browse: bool) -> None:
        print(plain(url))
        if browse:
            import webbrowser

            webbrowser.open(url)

    def json(self, encoded: bytes) -> None:
        sys.stdout.buffer.write(encoded + b"\n")
        sys.stdout.flush()

    def result(self, value: object) -> None:
        return None

    def progress(self) -> AbstractContextManager[Progress]:
        from vml_jupyter.cli.terminal import Terminal

        return closing(Terminal())

    def notebook(self, area: Path) -> str | None:
        return None

    def can_ask(self) -> bool:
        return sys.stdin.isatty()

    def standard_input(self) -> str:
        return sys.stdin.read()


_PAGE: ContextVar[Page] = ContextVar("page", default=TerminalPage())  # noqa: B039  # it holds nothing


@contextmanager
def onto(page: Page) -> Iterator[None]:
    """Let everything that is told in a ``with`` block go onto this page."""
    token = _PAGE.set(page)
    try:
        yield
    finally:
        _PAGE.reset(token)


def page() -> Page:
    """Return the page that verbs write on now."""
    return _PAGE.get()


def as_json(value: object) -> None:
    """Give one JSON value on one line; a path is its text."""
    encoded = msgspec.json.encode(
        value, enc_hook=_text_of
    )  # which escapes the characters below U+0020 itself
    if not encoded.isascii():
        encoded = _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded.decode()).encode()
    page().json(encoded)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> None:
    """Show rows under a heading; the first column names the rows. Where it is drawn, the caption stands above."""
    page().table(head, rows, caption)


def line(text: str) -> None:
    """Show one line."""
    page().line(text)


def paragraphs(text: str) -> None:
    """Show a text of several lines."""
    page().paragraphs(text)


def raw(text: str) -> None:
    """Give a text that is to be copied as it is."""
    page().raw(text)


def warn(text: str) -> None:
    """Say what matters to the user but is no result."""
    page().warn(text)


def link(url: str, machine: str, *, browse: bool = False) -> None:
    """Show where a notebook is open in a machine, and open it in the browser if that is asked for."""
    page().link(url, machine, browse=browse)


def result(value: object) -> None:
    """Say which record, or records, all the rest is told of."""
    page().result(value)


def progress() -> AbstractContextManager[Progress]:
    """Return who listens to the work, for a ``with`` block."""
    return page().progress()


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows under a heading as text, each column as wide as its widest cell."""
    lines = [tuple(map(plain, head)), *(tuple(_cut(plain(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def plain(text: str) -> str:
    """Replace what could move a terminal's cursor, colour it, or turn its text around."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)


def _text_of(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} in JSON")


def _cut(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…"
