"""Read ranges of remote files in aligned windows, and keep the last ones: small neighbours cost one request.

    read("data/ab/abc", 1500000, 900000) --> windows 1 and 2, of 1 MiB each --> one request for those not kept

Threads that want the same window wait for the one that asked first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

WINDOW_BYTES = 1 << 20
_KEPT = 64

_Key = tuple[str, int]


class Windows:
    """Stand in front of ``fetch(name, offset, length)``, which gives less where the file ends."""

    def __init__(self, fetch: Callable[[str, int, int], bytes]) -> None:
        self._fetch = fetch
        self._windows: OrderedDict[_Key, Future[bytes]] = OrderedDict()
        self._mutex = threading.Lock()

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Return a range; what ``fetch`` raises is raised in every thread that waits, and not kept."""
        if length > WINDOW_BYTES:
            return self._fetch(name, offset, length)
        first, last = offset // WINDOW_BYTES, (offset + max(length, 1) - 1) // WINDOW_BYTES
        futures, mine = self._claim([(name, number) for number in range(first, last + 1)])
        if mine:
            self._settle(mine)
        joined = b"".join([future.result() for future in futures])
        start = offset - first * WINDOW_BYTES
        return joined[start : start + length]

    def _claim(self, keys: list[_Key]) -> tuple[list[Future[bytes]], dict[_Key, Future[bytes]]]:
        """Return what will hold the windows, and those that the caller has to fetch."""
        futures: list[Future[bytes]] = []
        mine: dict[_Key, Future[bytes]] = {}
        with self._mutex:
            for key in keys:
                if key not in self._windows:
                    self._windows[key] = mine[key] = Future()
                self._windows.move_to_end(key)
                futures.append(self._windows[key])
            while len(self._windows) > _KEPT:
                self._windows.popitem(last=False)
        return futures, mine

    def _settle(self, mine: dict[_Key, Future[bytes]]) -> None:
        """Fetch windows that lie side by side with one request."""
        (name, first), count = next(iter(mine)), len(mine)
        try:
            fetched = self._fetch(name, first * WINDOW_BYTES, count * WINDOW_BYTES)
        except BaseException as error:
            with self._mutex:
                for key in mine:
                    self._windows.pop(key, None)
            for future in mine.values():
                future.set_exception(error)
            raise
        for number, future in enumerate(mine.values()):
            future.set_result(fetched[number * WINDOW_BYTES : (number + 1) * WINDOW_BYTES])
