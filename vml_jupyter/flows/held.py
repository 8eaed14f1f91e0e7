"""Keep the logbook open between questions: who looks into an entry asks many, one after the other.

    first question --opens, reads the index and what all entries say (a second for ten thousand)--> held
    next question  --lists the snapshots, reads what is new--> answered

A repository sees by itself what others wrote, removed or moved meanwhile. After any error the next question opens
it anew, so that a logbook that was replaced by another one is noticed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from vml_jupyter.errors import VmlError
from vml_jupyter.flows.entries import known_password
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook

Opening = Callable[[Settings], AbstractContextManager[Logbook]]


class Held:
    """At most one open logbook, for reading; safe between threads. ``opened`` is used as ``entries.opened`` is."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._logbook: Logbook | None = None
        self._is_of: tuple[str, str] | None = None

    @contextmanager
    def opened(self, settings: Settings) -> Iterator[Logbook]:
        """Give the logbook of the settings; errors as for ``entries.opened``."""
        logbook = self._get(settings)
        try:
            yield logbook
        except VmlError:
            self._drop(logbook)
            raise

    def _get(self, settings: Settings) -> Logbook:
        wanted = (settings.logbook, known_password(settings))
        with self._mutex:
            if self._logbook is None or self._is_of != wanted:
                self._logbook = Logbook.open(*wanted, cache=settings.cache)
                self._is_of = wanted
            return self._logbook

    def _drop(self, logbook: Logbook) -> None:
        """Let go of a logbook; others may still read in it, so it is not closed but forgotten."""
        with self._mutex:
            if self._logbook is logbook:
                self._logbook = None
