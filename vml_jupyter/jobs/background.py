"""Work beside a program that has no desk: look at something again and again, or do one thing and tell how it goes.

    Ticker(look)          look() -> seconds until the next look, on one thread, until close()
    Task(title, work)     work(report) -> result, on one thread; changed(job) at every change, cancel()

The threads are daemons, and all that are left are ended when the program ends: a kernel that shuts down neither waits
for a machine to boot nor leaves half of one.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from vml_jupyter.errors import Cancelled
from vml_jupyter.jobs.job import Failure, Job, now
from vml_jupyter.jobs.report import Report
from vml_jupyter.progress import Progress

_PATIENCE_S = 4.0  # a front end kills a kernel that takes longer


class _Ending(Protocol):
    def close(self, patience_s: float = ...) -> None: ...


_LEFT: weakref.WeakSet[_Ending] = weakref.WeakSet()


@atexit.register
def close_all() -> None:
    """End all that is still going on; called when the program ends."""
    deadline = time.monotonic() + _PATIENCE_S
    for each in list(_LEFT):
        each.close(max(0.0, deadline - time.monotonic()))


class Ticker:
    """Call ``look`` until closed; it returns after how many seconds it wants to be called again."""

    def __init__(self, look: Callable[[], float]) -> None:
        self._look = look
        self._woken = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vml-ticker", daemon=True)
        _LEFT.add(self)
        self._thread.start()

    def wake(self) -> None:
        """Look now instead of later."""
        self._woken.set()

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """Look no more; a look that is going on is waited for, but not by itself."""
        self._closed.set()
        self._woken.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(patience_s)
        _LEFT.discard(self)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._woken.clear()
            wait_s = self._look()
            self._woken.wait(wait_s)


class Task:
    """Do one piece of work on a thread, once it is started.

    Args:
        title: What it is, for people.
        work: Is given a Progress, and may raise any error.
        changed: Called with the job at every change, on the task's thread; the last time when it has ended.
    """

    def __init__(self, title: str, work: Callable[[Progress], Any], changed: Callable[[Job], None]) -> None:
        self.value: Any = None
        self._work, self._changed = work, changed
        job = Job(id=secrets.token_hex(8), kind="task", title=title, created=now())
        self._report = Report(job, changed)
        self._thread = threading.Thread(target=self._run, name="vml-task", daemon=True)

    def start(self) -> None:
        """Begin; from now on ``changed`` may be called."""
        _LEFT.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """End the work where it next reports; what it made is undone."""
        self._report.cancel()

    def close(self, patience_s: float = _PATIENCE_S) -> None:
        """Cancel the work and wait for its end."""
        self.cancel()
        if threading.current_thread() is not self._thread:
            self._thread.join(patience_s)

    def _run(self) -> None:
        self._changed(self._report.start())
        end: dict[str, Any] = {"state": "done"}
        try:
            self.value = self._work(self._report)
        except Cancelled:
            end = {"state": "cancelled"}
        except Exception as error:  # noqa: BLE001  # a task ends in its record, whatever ended it
            end = {"state": "failed", "error": Failure.of(error)}
        finally:
            _LEFT.discard(self)
        self._changed(msgspec.structs.replace(self._report.finish(), finished=now(), **end))
