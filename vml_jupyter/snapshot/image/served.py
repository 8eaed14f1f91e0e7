"""Keep account of what has been served of an image: how much, how much of it for the first time, and what failed.

add(0, 4), add(8, 12), add(2, 8)   ->   one stretch (0, 12)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from threading import Lock
from typing import NamedTuple, Protocol


class Readable(Protocol):
    """What is served: an ``AreaImage``, or anything with its size, name and bytes."""

    size: int
    data_start: int
    etag: str

    def read(self, offset: int, length: int) -> bytes: ...


class ServingStats(NamedTuple):
    """What has been served so far.

    Attributes:
        requests: Requests answered, refusals included.
        served_bytes: Bytes of the image sent, as often as they were sent.
        distinct_bytes: How many different bytes of the image were sent.
        distinct_file_bytes: How many of those lie in the data area, so belong to files.
        image_bytes: The size of the image.
        failures: Answers that failed because bytes could not be read.
        last_failure: What the last of those said; empty if there was none.
    """

    requests: int
    served_bytes: int
    distinct_bytes: int
    distinct_file_bytes: int
    image_bytes: int
    failures: int
    last_failure: str


class Stretches:
    """A set of numbers, kept as sorted stretches that do not touch."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> None:
        """Add the numbers from ``start`` up to, without, ``stop``."""
        first = bisect_left(self._stops, start)
        behind = bisect_right(self._starts, stop)
        if first < behind:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[behind - 1])
        self._starts[first:behind] = [start]
        self._stops[first:behind] = [stop]

    def total(self, above: int = 0) -> int:
        """Return how many numbers there are that are not below ``above``."""
        pairs = zip(self._starts, self._stops, strict=True)
        return sum(max(0, stop - max(start, above)) for start, stop in pairs)


class Account:
    """Count from many threads."""

    def __init__(self, image_bytes: int, data_start: int) -> None:
        self._image_bytes, self._data_start = image_bytes, data_start
        self._lock = Lock()
        self._sent = Stretches()
        self._requests = self._bytes = self._failures = 0
        self._failure = ""

    def request(self) -> None:
        with self._lock:
            self._requests += 1

    def sent(self, start: int, stop: int) -> None:
        with self._lock:
            self._bytes += stop - start
            self._sent.add(start, stop)

    def failed(self, why: str) -> None:
        with self._lock:
            self._failures += 1
            self._failure = why

    def stats(self) -> ServingStats:
        with self._lock:
            return ServingStats(
                self._requests,
                self._bytes,
                self._sent.total(),
                self._sent.total(self._data_start),
                self._image_bytes,
                self._failures,
                self._failure,
            )
