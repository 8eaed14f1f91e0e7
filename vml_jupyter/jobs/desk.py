"""Takes long work in, runs it on a few threads, and knows of every job how it stands.

    submit -> queued -> [worker thread: work(report)] -> done {result} | failed {error} | cancelled

The work runs blocking code and reports through ``Progress``; listeners are called on the worker's
thread, so a listener that belongs to an event loop must hand over to it.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import msgspec

from vml_jupyter.errors import Cancelled, NotFound, VmlError
from vml_jupyter.jobs.estimates import Estimates
from vml_jupyter.jobs.job import Failure, Job, now
from vml_jupyter.jobs.journal import Journal
from vml_jupyter.jobs.report import Report
from vml_jupyter.progress import Progress

Work = Callable[[Progress], dict[str, Any]]
Listener = Callable[[Job], None]

_PATIENCE_S = 10.0

log = logging.getLogger(__name__)


class JobDesk:
    """The desk of one server.

    Args:
        journal: Where jobs outlive the server.
        workers: How many jobs run at the same time; the others wait in order.
        history: How many finished jobs are remembered.
        estimates: What earlier jobs have taught.
    """

    def __init__(
        self, journal: Journal, *, workers: int = 3, history: int = 100, estimates: Estimates | None = None
    ) -> None:
        self._journal = journal
        self._estimates = estimates or Estimates()
        self._likes: dict[str, str] = {}
        self._history = history
        self._lock = threading.RLock()
        self._jobs = {job.id: job for job in journal.jobs()}
        self._reports: dict[str, Report] = {}
        self._futures: dict[str, Future[None]] = {}
        self._listeners: list[Listener] = []
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="vml-job")

    def submit(self, kind: str, title: str, work: Work, *, subject: str = "", like: str = "") -> Job:
        """Queue ``work`` and return its job at once.

        Args:
            kind: What it does.
            title: What it does it with, for people.
            work: What is to be done.
            subject: The id of that.
            like: Names the jobs that take about as long, such as restores of one release.
        """
        job = Job(id=secrets.token_hex(8), kind=kind, title=title, subject=subject, created=now())
        job = msgspec.structs.replace(job, expected=self._estimates.of(like))
        with self._lock:
            self._likes[job.id] = like
            self._reports[job.id] = Report(job, self._progressed)
            self._change(job)
            self._futures[job.id] = self._pool.submit(self._run, job.id, work)
        return job

    def jobs(self) -> list[Job]:
        """Return every job that is remembered, newest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def get(self, job_id: str) -> Job:
        """Return one job.

        Raises:
            NotFound: It was never there, or is forgotten.
        """
        with self._lock:
            if job_id not in self._jobs:
                raise NotFound(
                    f"There is no job {job_id}", "It may have been dismissed; look at the list of jobs"
                )
            return self._jobs[job_id]

    def cancel(self, job_id: str) -> Job:
        """End an active job where it next reports, or drop a finished one from the list.

        Raises:
            NotFound: It was never there, or is forgotten.
        """
        with self._lock:
            job = self.get(job_id)
            if not job.active:
                del self._jobs[job_id]
                self._journal.forget(job_id)
                self._tell(job)
                return job
            self._reports[job_id].cancel()
            if self._futures[job_id].cancel():
                return self._end(job_id, "cancelled")
            return job

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with every change from now on; return what ends that."""
        with self._lock:
            self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def close(self) -> None:
        """Ask every active job to end, take no more, and let go of the journal."""
        with self._lock:
            self._listeners.clear()
            active = [job.id for job in self._jobs.values() if job.active]
        for job_id in active:
            self.cancel(job_id)
        with self._lock:
            running = list(self._futures.values())
        # Work that does not report for long is not waited for; the next server shows it as interrupted.
        wait(running, timeout=_PATIENCE_S)
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._journal.close()

    def _run(self, job_id: str, work: Work) -> None:
        with self._lock:
            report = self._reports[job_id]
            self._change(report.start())
        try:
            result = work(report)
        except Cancelled:
            self._end(job_id, "cancelled")
        except Exception as error:  # a job ends in its record, whatever ended it
            unexpected = not isinstance(error, VmlError)
            log.warning("Job %s failed: %s", job_id, error, exc_info=error if unexpected else None)
            self._end(job_id, "failed", error=Failure.of(error))
        else:
            self._end(job_id, "done", result=result)

    def _progressed(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.id] = job
        self._tell(job)

    def _end(self, job_id: str, state: str, **fields: Any) -> Job:
        with self._lock:
            job = self._reports.pop(job_id).finish()
            self._futures.pop(job_id, None)
            like = self._likes.pop(job_id, "")
            if state == "done":
                self._estimates.learn(like, job.stages)
            return self._change(msgspec.structs.replace(job, state=state, finished=now(), **fields))

    def _change(self, job: Job) -> Job:
        with self._lock:
            self._jobs[job.id] = job
            self._write(job)
            self._forget_oldest()
        self._tell(job)
        return job

    def _write(self, job: Job) -> None:
        try:
            self._journal.write(job)
        except OSError as error:  # a full disk must not hide how the job itself ended
            log.warning("The journal of jobs cannot be written: %s", error)

    def _forget_oldest(self) -> None:
        finished = [job.id for job in self._jobs.values() if not job.active]
        for job_id in finished[: max(0, len(finished) - self._history)]:
            del self._jobs[job_id]

    def _tell(self, job: Job) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(job)
