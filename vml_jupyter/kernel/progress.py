"""Show how long work goes on while a cell runs: a bar where the front end has widgets, lines of text elsewhere."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from vml_jupyter.cli.output import plain
from vml_jupyter.cli.terminal import amount

_EVERY_S = 0.1


@contextmanager
def progress_for(shell: Any) -> Iterator[TextProgress | WidgetProgress]:
    """Give the progress that suits a shell; it is closed when the work ends, well or not."""
    in_jupyter = getattr(shell, "kernel", None) is not None
    has_widgets = in_jupyter and importlib.util.find_spec("ipywidgets") is not None
    progress = WidgetProgress() if has_widgets else TextProgress(show_links=not in_jupyter)
    try:
        yield progress
    finally:
        progress.close()


class TextProgress:
    """One line for each stage and note; the numbers in between would fill the page.

    Args:
        show_links: False where what is printed is saved, because a link to a machine holds its key.
    """

    def __init__(self, *, show_links: bool) -> None:
        self._show_links = show_links
        self.notes: list[str] = []

    def stage(self, name: str, title: str) -> None:
        print(f"{plain(title)} ...", flush=True)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        return None

    def note(self, text: str) -> None:
        self.notes.append(text)

    def link(self, url: str, machine: str) -> None:
        """Show where the notebook is open."""
        if self._show_links:
            print(url, flush=True)

    def close(self) -> None:
        return None


class WidgetProgress:
    """A bar with the stage's name; gone when the work is done.

    The link to a machine is a widget, too, because it is new after each use; see ``door``.
    """

    def __init__(self) -> None:
        import ipywidgets
        from IPython.display import display

        self._widgets: Any = ipywidgets
        self._display: Any = display
        self.notes: list[str] = []
        self._title = ""
        self._shown_at = 0.0
        self._label = ipywidgets.HTML()
        self._bar = ipywidgets.FloatProgress(min=0.0, max=1.0, layout={"width": "20em"})
        self._box = ipywidgets.HBox([self._bar, self._label])
        self._is_shown = False

    def stage(self, name: str, title: str) -> None:
        self._title = title
        self._shown_at = 0.0
        self._show(0.0, "")

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        now = time.monotonic()
        if now - self._shown_at < _EVERY_S and done != total:
            return
        self._shown_at = now
        self._show(done / total if total else 0.0, amount(done, total, unit))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def link(self, url: str, machine: str) -> None:
        """Show where the notebook is open."""
        from vml_jupyter.kernel.link import OpenLink

        shown = OpenLink(machine)
        self._display(shown)
        shown.show()

    def close(self) -> None:
        for widget in (self._box, self._bar, self._label):
            widget.close()

    def _show(self, part: float, told: str) -> None:
        if not self._is_shown:
            self._is_shown = True
            self._display(self._box)
        self._bar.value = min(1.0, part)
        self._label.value = f'<span role="status">{escape(f"{self._title} {told}".strip())}</span>'
