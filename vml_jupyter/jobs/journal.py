r"""What is left of jobs when a server ends: one file of JSON lines per server, mode 0600.

    <folder>/
      4711-k3v9.jsonl     {"id": ..., "state": "queued"}\n      one line per change of state,
                          {"id": ..., "state": "running"}\n     the last line of an id counts
                          {"id": ..., "state": "done", "result": {...}}\n

A server holds a lock on its own file while it lives, so a file that nobody holds belonged to a server
that has ended: the next one takes its jobs over, marks those that were under way as interrupted, and
removes the file only after its own is safely written. Several servers of one user never mix.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from vml_jupyter.jobs.job import Failure, Job, now
from vml_jupyter.parsing import parse

_INTERRUPTED = Failure(
    code="interrupted",
    message="The Jupyter server ended while this was under way",
    hint="Start it again; nothing that was finished before is lost",
)


class Journal:
    """The file of one server, opened for as long as the server lives.

    Args:
        folder: Where the files of all servers of this user lie; made when missing.
        history: How many finished jobs are kept.
    """

    def __init__(self, folder: Path, history: int = 100) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._history = history
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        self._file: BinaryIO | None = None
        self._jobs: dict[str, Job] = {}
        self._lines = 0
        left = _abandoned(folder, self._path)
        for job in sorted((job for path in left for job in left[path][1]), key=lambda job: job.created):
            self._jobs[job.id] = _interrupted(job)
        self._rewrite()
        for path, (file, _) in left.items():
            path.unlink()
            file.close()

    def jobs(self) -> list[Job]:
        """Return every job in the file, oldest first."""
        return list(self._jobs.values())

    def write(self, job: Job) -> None:
        """Keep ``job`` as it stands now."""
        self._jobs[job.id] = job
        if self._file is None:
            return
        self._file.write(msgspec.json.encode(job) + b"\n")
        self._file.flush()
        self._lines += 1
        if self._lines > 8 * self._history:
            self._rewrite()

    def forget(self, job_id: str) -> None:
        """Drop a job."""
        if self._jobs.pop(job_id, None):
            self._rewrite()

    def close(self) -> None:
        """Let go of the file; the next server takes it over, and what is written from now on is lost."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self) -> None:
        """Write the newest ``history`` jobs into a fresh file that takes the place of the old one."""
        finished = [job.id for job in self._jobs.values() if not job.active]
        for job_id in finished[: max(0, len(finished) - self._history)]:
            del self._jobs[job_id]
        # Locked before it has its name: no other server may take it for one that is abandoned.
        fresh = _open_locked(self._path.with_suffix(".new"))
        fresh.write(b"".join(msgspec.json.encode(job) + b"\n" for job in self._jobs.values()))
        fresh.flush()
        os.fsync(fresh.fileno())
        self._path.with_suffix(".new").rename(self._path)
        if self._file is not None:
            self._file.close()
        self._file, self._lines = fresh, len(self._jobs)


def _open_locked(path: Path) -> BinaryIO:
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def _abandoned(folder: Path, own: Path) -> dict[Path, tuple[BinaryIO, list[Job]]]:
    """Lock and read every file whose server has ended."""
    found: dict[Path, tuple[BinaryIO, list[Job]]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        file = _taken_over(path) if path != own else None
        if file is not None:
            found[path] = (file, list(_read(file)))
    return found


def _taken_over(path: Path) -> BinaryIO | None:
    """Open and lock a file, or return None where a living server has it, or had it first."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its server may have put a fresh file in its place since it was opened.
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _read(lines: Iterable[bytes]) -> Iterable[Job]:
    """Yield the last state of each job; a line cut by a crash is the end of what is known."""
    jobs: dict[str, Job] = {}
    for line in lines:
        try:
            job = parse(line, Job)
        except msgspec.DecodeError:
            continue
        jobs[job.id] = job
    return jobs.values()


def _interrupted(job: Job) -> Job:
    if not job.active:
        return job
    return msgspec.structs.replace(job, state="failed", error=_INTERRUPTED, finished=now())
