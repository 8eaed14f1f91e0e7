"""How long work reports itself: workers speak into ``Progress``, screens listen behind it.

A worker names the stage it enters, then says how far it is. It never knows whether a terminal, a
browser, a notebook or nobody listens. Cancelling comes back the same way: every call may raise
``Cancelled``, so a worker that reports can be stopped where it reports.
"""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """What a worker may say."""

    def stage(self, name: str, title: str) -> None:
        """Enter the stage ``name`` (stable, for programs), shown to people as ``title``.

        Raises:
            Cancelled: The user ended the job.
        """

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        """Say how much of the stage is done; ``total`` is None where it cannot be known.

        Raises:
            Cancelled: The user ended the job.
        """

    def note(self, text: str) -> None:
        """Say one line that matters to the user but is no error."""


class Silent:
    """The twin that nobody listens to."""

    def stage(self, name: str, title: str) -> None:
        return None

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        return None

    def note(self, text: str) -> None:
        return None


SILENT = Silent()


class EachOnce:
    """Pass everything on to another Progress, but a note that was made already: parts of a work meet the same."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._notes: set[str] = set()

    def stage(self, name: str, title: str) -> None:
        self._inner.stage(name, title)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._inner.advance(done, total, unit)

    def note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.add(text)
            self._inner.note(text)


class Stopwatch:
    """Pass everything on to another Progress and keep the seconds of each stage."""

    def __init__(self, inner: Progress = SILENT) -> None:
        self._inner = inner
        self._seconds: dict[str, float] = {}
        self._current: str | None = None
        self._since = time.monotonic()
        self.notes: list[str] = []

    def stage(self, name: str, title: str) -> None:
        self._close()
        self._current = name
        self._inner.stage(name, title)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._inner.advance(done, total, unit)

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._inner.note(text)

    def seconds(self) -> dict[str, float]:
        """Return the seconds spent per stage so far, in the order the stages were entered."""
        self._close()
        return {name: round(value, 3) for name, value in self._seconds.items()}

    def _close(self) -> None:
        now = time.monotonic()
        if self._current is not None:
            self._seconds[self._current] = self._seconds.get(self._current, 0.0) + now - self._since
        self._since = now
