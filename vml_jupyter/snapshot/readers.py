"""Who reads the files of a snapshot: threads of this process for a few, processes for many.

    submit(batch) --> threads here      until there is enough to do that processes are worth their start
                  --> crew              from then on, but for links, devices and huge files
    settled()     <-- (batch, results)  in the order in which they are done

A huge file keeps all cores busy from here: it is cut by one thread and its pieces are saved by several, in long
calls that need no interpreter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType

from vml_jupyter.repository import Repository
from vml_jupyter.snapshot.content import Pace, Read, read_files
from vml_jupyter.snapshot.crew import Crew
from vml_jupyter.snapshot.growing import Batch

_CORES = len(os.sched_getaffinity(0))
_READERS = 4  # in turns, but where the area is slow
_SAVERS = max(2, min(8, _CORES))
_HANDS = min(4, _CORES)  # each takes some 45 MB
_AHEAD = 8
_HUGE_BYTES = 256 << 20

# From so much on a crew is worth its start; what is read here until it is ready is not more than this.
CREW_FILES = 400
CREW_BYTES = 16 << 20
_MEANWHILE_BYTES = 4 << 20

Results = list[Read]


class Readers:
    """Reads batches of files, some at a time; ``with`` ends all of it, early if an exception comes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="vml-take")
        self._savers = ThreadPoolExecutor(_SAVERS, thread_name_prefix="vml-take")
        self._pace = Pace()
        self._crew: Crew | None = None
        self._done: SimpleQueue[tuple[Batch, Future[Results]]] = SimpleQueue()
        self._outstanding = 0
        self._files = self._bytes = 0

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._crew is not None:
                self._crew.abort() if kind else self._crew.close()
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)
            self._savers.shutdown(wait=True, cancel_futures=True)

    def submit(self, batch: Batch) -> None:
        """Have a batch read. Take what is ``settled`` between batches, or they pile up."""
        self._outstanding += 1
        self._files += batch.files
        self._bytes += batch.bytes
        future = self._begin(batch)
        future.add_done_callback(lambda done: self._done.put((batch, done)))

    def settled(self, everything: bool = False) -> Iterator[tuple[Batch, Results]]:
        """Yield batches that are done, until few enough are not; ``everything`` waits for all."""
        ahead = 0 if everything else _AHEAD + (2 * _HANDS if self._crew else 0)
        while self._outstanding > ahead:
            batch, future = self._done.get()
            self._outstanding -= 1
            yield batch, future.result()

    def _begin(self, batch: Batch) -> Future[Results]:
        if self._crew is None and self._is_worth_a_crew():
            self._crew = Crew(self._repository, _HANDS)
        is_for_crew = batch.is_plain and batch.bytes <= _HUGE_BYTES
        if self._crew is not None and is_for_crew and not self._may_begin_here(batch):
            return self._crew.submit([(part.grown.folder.opened, part.names) for part in batch.parts])
        files = [(part.grown.folder.opened, item) for part in batch.parts for item in part.items]
        return self._threads.submit(read_files, self._repository, files, self._savers, self._pace)

    def _may_begin_here(self, batch: Batch) -> bool:
        """Tell whether a batch is read by a thread although there is a crew, because that is not ready yet."""
        if self._crew is None or self._crew.is_ready or batch.bytes > _MEANWHILE_BYTES:
            return False
        return self._outstanding <= 2

    def _is_worth_a_crew(self) -> bool:
        enough = self._files >= CREW_FILES or self._bytes >= CREW_BYTES
        return enough and _HANDS > 1 and bool(sys.executable)
