"""Progress for people at a terminal: one line on stderr that rewrites itself, plain lines where it cannot."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from vml_jupyter.cli.output import plain

_WIDTH = 28
_EVERY_S = 0.1


class Terminal:
    """Show stages on a terminal; on a pipe, one line a stage and nothing in between."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._title = ""
        self._shown_at = 0.0

    def stage(self, name: str, title: str) -> None:
        self.close()
        self._title = plain(title)
        self._write(f"{self._title} ...")

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        now = time.monotonic()
        if not self._live or now - self._shown_at < _EVERY_S:
            return
        self._shown_at = now
        self._write(f"{self._title} {_bar(done, total)} {amount(done, total, unit)}")

    def note(self, text: str) -> None:
        self._clear()
        print(f"  {plain(text)}", file=self._out, flush=True)

    def close(self) -> None:
        """End the current line, so that what follows starts on its own."""
        if self._title and self._live:
            print(file=self._out, flush=True)
        self._title = ""

    def _write(self, line: str) -> None:
        if self._live:
            self._clear()
            print(line, end="", file=self._out, flush=True)
        else:
            print(line, file=self._out, flush=True)

    def _clear(self) -> None:
        if self._live:
            print("\r\x1b[K", end="", file=self._out)


def _bar(done: int, total: int | None) -> str:
    if not total:
        return ""
    full = min(_WIDTH, _WIDTH * done // total)
    return "[" + "#" * full + "." * (_WIDTH - full) + "]"


def amount(done: int, total: int | None, unit: str) -> str:
    """Return how much of a stage is done, in words."""
    if unit == "bytes":
        return f"{size(done)} of {size(total)}" if total else size(done)
    return f"{done} of {total} {unit}".strip() if total else f"{done} {unit}".strip()


def size(count: int | None) -> str:
    """Return a number of bytes as people read it: ``12.3 MB`` (decimal units)."""
    value = float(count or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")
