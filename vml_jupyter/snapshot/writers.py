"""Who writes batches: threads of this process, or processes where there is much to do.

    submit(batch) ... submit(batch) --> finish()       ``done`` bytes grow meanwhile

Small files cost Python more time than the disk, and threads share one core for that. A process of its
own is started afresh, not forked: this one may have threads (a Jupyter server has), and what a fork copies of
those is broken. Writers that are left early have nobody at work any more when they are gone.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Protocol, cast

import msgspec

from vml_jupyter.errors import HostError, LogbookDamaged
from vml_jupyter.repository import Repository
from vml_jupyter.repository.cipher import OVERHEAD_BYTES, Buffer
from vml_jupyter.repository.turn import turn
from vml_jupyter.repository.unpack import Hand, announce
from vml_jupyter.snapshot.batch import Batch
from vml_jupyter.snapshot.helper import python
from vml_jupyter.snapshot.place import Places
from vml_jupyter.snapshot.worker import Outcome, Start, receive, send

_THREADS = 4
_AHEAD = 16
_PROCESSES = 8
_EACH_AHEAD = 3
_PIPE_BYTES = 1 << 20
# Memory that is given back to the system and asked for again costs more than what is done in it.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "67108864",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_ARENA_MAX": "1",
}


class Writers(Protocol):
    """What both kinds can do; use as a context manager."""

    @property
    def done(self) -> int:
        """Return the bytes written so far."""

    def submit(self, batch: Batch) -> None:
        """Have a batch written, perhaps after waiting until earlier ones are."""

    def finish(self) -> None:
        """Wait until all is written."""

    def __enter__(self) -> Writers: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Threads:
    """Writes in threads of this process: for little, and where the content comes over a network."""

    def __init__(self, repository: Repository, places: Places) -> None:
        self.done = 0
        self.refused = places.refused
        self._repository = repository
        self._places = places
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="vml-lay")
        self._writing: deque[Future[int]] = deque()

    def submit(self, batch: Batch) -> None:
        self._writing.append(self._pool.submit(self.write, batch))
        self._await(_AHEAD)

    def finish(self) -> None:
        self._await(0)

    def write(self, batch: Batch) -> int:
        """Write a batch; what is damaged in the repository is found and named here."""
        blobs = self._repository.blobs(batch.ids)
        _require_lengths(batch, blobs)
        with turn():
            return self._places.fill(batch, blobs)

    def _await(self, ahead: int) -> None:
        while len(self._writing) > ahead:
            self.done += self._writing.popleft().result()

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def _require_lengths(batch: Batch, blobs: Sequence[Buffer]) -> None:
    """Refuse blobs that were found elsewhere and are longer or shorter than what large files were measured by."""
    pieces = [piece for run in batch.runs for piece in run.pieces] if batch.parts else []
    for piece, blob in zip(pieces, blobs, strict=False):
        said = piece.plain_length or piece.length - OVERHEAD_BYTES
        if len(blob) != said:
            raise LogbookDamaged(
                f"the index says that the blob {piece.id.hex()[:12]} has {said} bytes, and it has {len(blob)}",
                "`vml check --repair-index` makes a new index of what the packs themselves say; nothing is lost",
            )


class Processes:
    """Writes in processes, one for each core; what they cannot read is left to ``instead``."""

    def __init__(self, hand: Hand, root: int, instead: Threads) -> None:
        self.refused = instead.refused
        self._instead = instead
        self._hand = hand
        self._done = 0
        self._workers: list[_Worker] = []
        self._poll = select.poll()
        try:
            for _ in range(min(_PROCESSES, len(os.sched_getaffinity(0)))):
                self._workers.append(_Worker(root))
            for worker in self._workers:
                worker.start(Start(hand, root))
                self._poll.register(worker.outcomes, select.POLLIN)
        except BaseException:
            self._end()
            raise

    @property
    def done(self) -> int:
        return self._done + self._instead.done

    def submit(self, batch: Batch) -> None:
        announce(self._hand, batch.runs)
        while min(len(worker.waiting) for worker in self._workers) >= _EACH_AHEAD:
            self._settle()
        worker = min(self._workers, key=lambda worker: len(worker.waiting))
        worker.submit(batch)
        self._settle(timeout_ms=0)

    def finish(self) -> None:
        while any(worker.waiting for worker in self._workers):
            self._settle()
        self._instead.finish()

    def _settle(self, timeout_ms: int | None = None) -> None:
        """Take what the workers have to say; wait for it where no time is given."""
        ready = {descriptor for descriptor, _ in self._poll.poll(timeout_ms)}
        for worker in self._workers:
            if worker.outcomes in ready:
                self._take(*worker.outcome())

    def _take(self, batch: Batch, outcome: Outcome) -> None:
        if outcome.errno:
            raise OSError(outcome.errno, outcome.reason)
        if not outcome.unpacked:
            self._instead.submit(batch)
        self._done += outcome.written
        self.refused.update(outcome.refused)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._instead.__exit__(kind, error, trace)

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()


class _Worker:
    """One process and the batches that it has not answered yet, oldest first."""

    def __init__(self, root: int) -> None:
        self.waiting: deque[Batch] = deque()
        self._process = subprocess.Popen(
            python("vml_jupyter.snapshot.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(root,),
            env={**os.environ, **_KEEP_MEMORY},
            start_new_session=True,  # Ctrl-C is for us, who then end it
            bufsize=0,
            pipesize=_PIPE_BYTES,
        )
        self.tasks = cast(BinaryIO, self._process.stdin).fileno()
        self.outcomes = cast(BinaryIO, self._process.stdout).fileno()

    def submit(self, batch: Batch) -> None:
        self.waiting.append(batch)
        self._send(batch)

    def start(self, start: Start) -> None:
        self._send(start)

    def outcome(self) -> tuple[Batch, Outcome]:
        """Return what became of the oldest batch."""
        raw = receive(self.outcomes)
        if raw is None:
            raise self._died()
        return self.waiting.popleft(), msgspec.msgpack.decode(raw, type=Outcome)

    def end(self) -> None:
        """End the process wherever it is, and wait until it is gone."""
        self._process.kill()
        self._process.communicate()

    def _send(self, message: msgspec.Struct) -> None:
        try:
            send(self.tasks, message)
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> HostError:
        self._process.kill()
        _, said = self._process.communicate()
        last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
        return HostError(
            f"a process that wrote files ended with status {self._process.returncode}: {''.join(last)}",
            "Try again; if the computer ran out of memory, end other programs first",
        )
