"""What a running job says, turned into a new record of the job.

    work --stage/advance/note--> Report --Job--> the desk

The desk hears every change of stage at once, but how far a stage is only a few times a second: a
restore may report a thousand blocks in that time, and nobody can read faster.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from vml_jupyter.errors import Cancelled
from vml_jupyter.jobs.job import Job, Stage

_INTERVAL_S = 0.2
_MAX_NOTES = 50


class Report:
    """The Progress that a job's work speaks into.

    Args:
        job: The job as it started.
        tell: Called with each new record that is worth telling.
    """

    def __init__(self, job: Job, tell: Callable[[Job], None]) -> None:
        self._job = job
        self._tell = tell
        self._cancelled = threading.Event()
        self._entered = self._told = time.monotonic()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the next word of the work raise ``Cancelled``."""
        self._cancelled.set()

    def start(self) -> Job:
        """Return the record of the job now that a thread works on it."""
        self._job = msgspec.structs.replace(self._job, state="running")
        return self._job

    def stage(self, name: str, title: str) -> None:
        self._check()
        stages = self._timed()
        self._entered = time.monotonic()
        self._update(stages=(*stages, Stage(name=name, title=title)), urgent=True)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._check()
        stages = self._timed()
        if not stages:
            return
        last = msgspec.structs.replace(stages[-1], done=done, total=total, unit=unit)
        self._update(stages=(*stages[:-1], last), urgent=done == total)

    def note(self, text: str) -> None:
        self._check()
        self._update(stages=self._timed(), notes=(*self._job.notes, text)[-_MAX_NOTES:], urgent=True)

    def finish(self) -> Job:
        """Return the record with the last stage's time, told or not."""
        return msgspec.structs.replace(self._job, stages=self._timed())

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def _timed(self) -> tuple[Stage, ...]:
        stages = self._job.stages
        if not stages:
            return ()
        seconds = round(time.monotonic() - self._entered, 3)
        return (*stages[:-1], msgspec.structs.replace(stages[-1], seconds=seconds))

    def _update(
        self, *, stages: tuple[Stage, ...], notes: tuple[str, ...] | None = None, urgent: bool
    ) -> None:
        self._job = msgspec.structs.replace(
            self._job, stages=stages, notes=self._job.notes if notes is None else notes
        )
        now = time.monotonic()
        if urgent or now - self._told >= _INTERVAL_S:
            self._told = now
            self._tell(self._job)
