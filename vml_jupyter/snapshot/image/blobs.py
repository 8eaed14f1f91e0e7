"""Keep the blobs that were read last, and fetch the next ones while the reader is busy.

    get(id)      kept -> returned | being fetched -> waited for | else fetched here
    ahead(ids)   what is neither kept nor being fetched is fetched by one thread
    put(id, b)   what came another way is kept like what was read

Many readers may ask at once: a blob that several want is decoded once, and kept until newer ones need its place.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, get_native_id

KEPT_BYTES = 64 << 20
_WAITING_AHEAD = 16
_AHEAD_NICE = 5
_FOLLOWED = 4096


class BlobCache:
    """Stand in front of ``fetch``, which may raise; an error is given to all who wait and is not kept."""

    def __init__(self, fetch: Callable[[str], bytes], kept_bytes: int = KEPT_BYTES) -> None:
        self._fetch = fetch
        self._limit = kept_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._pending: dict[str, Future[bytes]] = {}
        self._touched: dict[str, None] = {}
        self._lock = Lock()
        self._ahead: ThreadPoolExecutor | None = None
        self._closed = False

    def get(self, id: str) -> bytes:
        """Return a blob."""
        with self._lock:
            if len(self._touched) < _FOLLOWED:
                self._touched.setdefault(id)
            kept = self._kept.get(id)
            if kept is not None:
                self._kept.move_to_end(id)
                return kept
            future = self._pending.get(id)
            mine = future is None
            if future is None:
                future = self._pending[id] = Future()
        if mine:
            self._settle(id, future)
        return future.result()

    def touched(self) -> list[str]:
        """Return the first few thousand blobs that were asked for, in the order in which they first were."""
        with self._lock:
            return list(self._touched)

    def keeps(self, id: str) -> bool:
        """Say whether ``get`` would return at once, or nearly so."""
        with self._lock:
            return id in self._kept or id in self._pending

    def put(self, id: str, blob: bytes) -> None:
        """Keep a blob that nobody has asked for yet."""
        with self._lock:
            if not self._closed and id not in self._kept:
                self._keep(id, blob)

    def ahead(self, ids: Iterable[str]) -> int:
        """Begin to fetch blobs that will be wanted soon; return how many of them are here or on their way then.

        Enough may be under way already: the rest is to be asked for again.
        """
        taken = 0
        for id in ids:
            with self._lock:
                if id in self._kept or id in self._pending:
                    taken += 1
                    continue
                if self._closed or len(self._pending) >= _WAITING_AHEAD:
                    break
                if self._ahead is None:
                    self._ahead = ThreadPoolExecutor(1, "vml-read-ahead", initializer=_yield_to_readers)
                future: Future[bytes] = Future()
                self._pending[id] = future
                self._ahead.submit(self._settle, id, future)
            taken += 1
        return taken

    def close(self) -> None:
        """Fetch nothing ahead any more and forget everything; ``get`` still works."""
        with self._lock:
            self._closed = True
            ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.shutdown(wait=True)
        with self._lock:
            self._kept.clear()
            self._kept_bytes = 0

    def _settle(self, id: str, future: Future[bytes]) -> None:
        try:
            blob = self._fetch(id)
        except BaseException as error:  # noqa: BLE001  whatever it is belongs to those who wait for this blob
            with self._lock:
                del self._pending[id]
            future.set_exception(error)
            return
        with self._lock:
            del self._pending[id]
            self._keep(id, blob)
        future.set_result(blob)

    def _keep(self, id: str, blob: bytes) -> None:
        self._kept[id] = blob
        self._kept_bytes += len(blob)
        while self._kept_bytes > self._limit and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])


def _yield_to_readers() -> None:
    """Let whoever waits for an answer have the processor first; on Linux each thread has a priority of its own."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), _AHEAD_NICE)
