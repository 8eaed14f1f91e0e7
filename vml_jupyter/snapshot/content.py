"""Read files of a working area into blobs, and notice if one is written to meanwhile.

small files   read whole, saved together      --> their nodes, or why they cannot be read
large ones    cut (``pieces``) as they are read
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from vml_jupyter.repository import ExtendedAttribute, Node
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.describe import attributes_of, describe, describe_special
from vml_jupyter.snapshot.descriptor import Descriptor
from vml_jupyter.snapshot.findings import Item
from vml_jupyter.snapshot.pieces import BUFFER_BYTES, SMALL_BYTES, cut

_IN_FLIGHT = 6
_SLOW_S = 0.001
_TELLING_FILES = 16  # of fewer, the time is that of their bytes
_ATTEMPTS = 3
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_TICK_NS = 20_000_000  # the kernel stamps files with a clock that moves every 1 to 10 ms


class NotRegular(OSError):
    """What was a file when its folder was listed is something else now."""


class Saver(Protocol):
    """What stores blobs: a ``Repository``, or in another process whoever asks one."""

    def save_blob(self, data: bytes | memoryview) -> tuple[str, int]: ...

    def save_blobs(self, blobs: Sequence[bytes | memoryview]) -> list[tuple[str, int]]: ...


class Content(NamedTuple):
    """A file that was read: its node, the bytes it added to the store, and whether it kept changing."""

    node: Node
    new_bytes: int
    changing: bool


class _Small(NamedTuple):
    """A file that was read whole and is not saved yet."""

    name: str
    status: os.stat_result
    attributes: list[ExtendedAttribute] | None
    data: bytes
    changing: bool

    def saved_as(self, blob: tuple[str, int] | None) -> Content:
        content, new_bytes = ([blob[0]], blob[1]) if blob else ([], 0)
        node = describe(self.name, self.status, self.attributes, size=len(self.data), content=content)
        return Content(node, new_bytes, self.changing)


class Pace:
    """Whether the area answers faster than threads hand over to one another; then they read in turns.

    On a file server each file takes a round trip or more, and then all readers ask at once.
    """

    def __init__(self) -> None:
        self.is_slow = False

    @contextmanager
    def reading(self, files: int) -> Iterator[None]:
        """Read ``files`` files inside a ``with``."""
        with turn(files > 1 and not self.is_slow):
            began = time.perf_counter()
            yield
            if files >= _TELLING_FILES:
                self.is_slow = time.perf_counter() - began > files * _SLOW_S


def read_files(
    saver: Saver, files: list[tuple[Descriptor, Item]], pool: Executor, pace: Pace
) -> list[Content | OSError]:
    """Save the bytes of files and return, for each, its node or why it cannot be read.

    Small files are saved together: one long call into native code, where many short ones would spend
    their time handing the interpreter's lock to and fro between the readers.

    Args:
        saver: Where the bytes go.
        files: Each with the folder it is in; links, pipes and devices are described and not opened.
        pool: Where the pieces of large files are saved.
        pace: How fast the area was until now.
    """
    with pace.reading(len(files)):
        read = [_read(saver, folder.number, item, pool) for folder, item in files]
    return _save_small(saver, read)


def read_regular_files(saver: Saver, files: Sequence[tuple[int, str]]) -> list[Content | OSError]:
    """Do what ``read_files`` does in a process that has nothing else to do.

    Args:
        saver: Where the bytes go.
        files: Each with the descriptor of the folder it is in; they were files when they were listed.
    """
    return _save_small(saver, [_read_regular(saver, folder, name, None) for folder, name in files])


def _save_small(saver: Saver, read: Sequence[Content | _Small | OSError]) -> list[Content | OSError]:
    saved = iter(saver.save_blobs([one.data for one in read if isinstance(one, _Small) and one.data]))
    return [
        one.saved_as(next(saved) if one.data else None) if isinstance(one, _Small) else one for one in read
    ]


def _read(saver: Saver, folder: int, item: Item, pool: Executor) -> Content | _Small | OSError:
    if stat.S_ISREG(item.status.st_mode):
        return _read_regular(saver, folder, item.name, pool)
    try:
        return Content(describe_special(folder, item), 0, False)
    except OSError as error:
        return error


def _read_regular(saver: Saver, folder: int, name: str, pool: Executor | None) -> Content | _Small | OSError:
    try:
        descriptor = os.open(name, _OPEN, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegular(0, "is no regular file any more")
            if status.st_size <= SMALL_BYTES:
                return _read_small(descriptor, name, status)
            return _read_large(saver, descriptor, name, status, pool)
        finally:
            os.close(descriptor)
    except OSError as error:
        return error


def _read_small(descriptor: int, name: str, status: os.stat_result) -> _Small:
    """Read a file whole; one that changes meanwhile is read again, and kept as read last if it never rests."""
    for _ in range(_ATTEMPTS):
        _let_clock_tick(status)
        before = status
        data = os.pread(descriptor, before.st_size, 0) if before.st_size else b""
        status = os.fstat(descriptor)
        changing = _stamp(before) != _stamp(status)
        if not changing:
            break
    return _Small(name, before, attributes_of(descriptor), data, changing)


def _read_large(
    saver: Saver, descriptor: int, name: str, status: os.stat_result, pool: Executor | None
) -> Content:
    """Save a file in pieces; one that changes meanwhile as ``_read_small`` does."""
    new_bytes = 0
    for _ in range(_ATTEMPTS):
        _let_clock_tick(status)
        before = status
        os.lseek(descriptor, 0, os.SEEK_SET)
        ids, size_bytes, stored = _save(saver, descriptor, before.st_size, pool)
        new_bytes += stored
        status = os.fstat(descriptor)
        changing = _stamp(before) != _stamp(status)
        if not changing:
            break
    node = describe(name, before, attributes_of(descriptor), size=size_bytes, content=ids)
    return Content(node, new_bytes, changing)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _let_clock_tick(status: os.stat_result) -> None:
    """Wait until a later change must get a later time, so that no snapshot ever takes it for unchanged."""
    age_ns = time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns)
    if 0 <= age_ns < _TICK_NS:
        time.sleep((_TICK_NS - age_ns) / 1e9)


def _save(saver: Saver, descriptor: int, size: int, pool: Executor | None) -> tuple[list[str], int, int]:
    """Save the first ``size`` bytes of a file: blob ids, bytes read, bytes stored."""
    if pool is None:
        return save_in_turn(saver, descriptor, size)
    ids: list[str] = []
    read = stored = 0
    saving: deque[Future[tuple[str, int]]] = deque()
    for pieces in cut(descriptor, size):
        for piece in pieces:
            read += len(piece)
            saving.append(pool.submit(saver.save_blob, piece))
        while len(saving) > _IN_FLIGHT:
            stored += _collect(saving.popleft(), ids)
    while saving:
        stored += _collect(saving.popleft(), ids)
    return ids, read, stored


def save_in_turn(saver: Saver, descriptor: int, size: int) -> tuple[list[str], int, int]:
    """Do what ``_save`` does with one buffer, some pieces at a time."""
    ids: list[str] = []
    read = stored = 0
    for pieces in cut(descriptor, size, bytearray(BUFFER_BYTES)):
        read += sum(map(len, pieces))
        for id, new_bytes in saver.save_blobs(pieces):
            ids.append(id)
            stored += new_bytes
    return ids, read, stored


def _collect(saved: Future[tuple[str, int]], ids: list[str]) -> int:
    id, stored = saved.result()
    ids.append(id)
    return stored
