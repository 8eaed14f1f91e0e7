"""Read files of a working area into blobs, and notice if one is written to meanwhile.

small files   read whole, saved together      --> their nodes in JSON, or why they cannot be read
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
from typing import Protocol

import msgspec

from vml_jupyter.repository import ExtendedAttribute, Node
from vml_jupyter.repository.node import encode_node
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.describe import attributes_of, describe, describe_special, to_look_at_again
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


class Read(msgspec.Struct, array_like=True, gc=False):
    """Something that was looked at: its node in JSON, empty where it could not be, and then why.

    ``size`` counts the bytes of a file, ``new_bytes`` what it added to the store. ``changing`` tells that it never
    held still, ``lacking`` which of its attributes are not in the node, and why.
    """

    node: bytes
    size: int = 0
    new_bytes: int = 0
    changing: bool = False
    why: tuple[int, str] = (0, "")
    lacking: str = ""

    @classmethod
    def of(cls, node: Node, new_bytes: int = 0, changing: bool = False, lacking: str = "") -> Read:
        if lacking:
            node = to_look_at_again(node)
        return cls(encode_node(node), node.size, new_bytes, changing, lacking=lacking)

    @classmethod
    def failed(cls, error: OSError) -> Read:
        return cls(b"", why=(error.errno or 0, error.strerror or str(error)))

    def error(self) -> OSError | None:
        """Return why it could not be looked at; None where it was."""
        return None if self.node else OSError(*self.why)


class _Small(msgspec.Struct, gc=False):
    """A file that was read whole and is not saved yet."""

    name: bytes
    status: os.stat_result
    attributes: list[ExtendedAttribute] | None
    lacking: str
    data: bytes
    changing: bool

    def saved_as(self, content: list[str], new_bytes: int) -> Read:
        node = describe(self.name, self.status, self.attributes, size=len(self.data), content=content)
        return Read.of(node, new_bytes, self.changing, self.lacking)


class Load:
    """Files that were read together, the small ones among them not saved yet: save ``blobs``, then ask for the rest."""

    def __init__(self, read: Sequence[Read | _Small]) -> None:
        self._read = read
        self.blobs: list[bytes] = [one.data for one in read if isinstance(one, _Small) and one.data]

    def saved_as(self, saved: Sequence[tuple[str, int]]) -> list[Read]:
        """Return what became of each file; ``saved`` has of each blob its id and the bytes it added to the store."""
        blobs = iter(saved)
        reads = []
        for one in self._read:
            if isinstance(one, _Small):
                id, new_bytes = next(blobs) if one.data else ("", 0)
                reads.append(one.saved_as([id] if id else [], new_bytes))
            else:
                reads.append(one)
        return reads


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
    saver: Saver, files: Sequence[tuple[Descriptor, Item]], pool: Executor, pace: Pace
) -> list[Read]:
    """Save the bytes of files and return what became of each.

    Small files are saved together: one long call into native code, where many short ones would spend
    their time handing the interpreter's lock to and fro between the readers.

    Args:
        saver: Where the bytes go.
        files: Each with the folder it is in; links, pipes and devices are described and not opened.
        pool: Where the pieces of large files are saved.
        pace: How fast the area was until now.
    """
    with pace.reading(len(files)):
        load = Load([_read(saver, folder.number, item, pool) for folder, item in files])
    return load.saved_as(saver.save_blobs(load.blobs))


def read_regular_files(saver: Saver, folder: int, names: Sequence[bytes]) -> list[Read | _Small]:
    """Do the first half of what ``read_files`` does in a process that has nothing else to do.

    Args:
        saver: Where the pieces of large files go.
        folder: The descriptor of the folder that they are in.
        names: What they are called; they were files when they were listed.
    """
    return [_read_regular(saver, folder, name, None) for name in names]


def _read(saver: Saver, folder: int, item: Item, pool: Executor) -> Read | _Small:
    if stat.S_ISREG(item.status.st_mode):
        return _read_regular(saver, folder, os.fsencode(item.name), pool)
    try:
        node, lacking = describe_special(folder, item)
        return Read.of(node, lacking=lacking)
    except OSError as error:
        return Read.failed(error)


def _read_regular(saver: Saver, folder: int, name: bytes, pool: Executor | None) -> Read | _Small:
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
        return Read.failed(error)


def _read_small(descriptor: int, name: bytes, status: os.stat_result) -> _Small:
    """Read a file whole; one that changes meanwhile is read again, and kept as read last if it never rests."""
    for _ in range(_ATTEMPTS):
        _let_clock_tick(status)
        before = status
        data = os.pread(descriptor, before.st_size, 0) if before.st_size else b""
        status = os.fstat(descriptor)
        changing = not _is_same(before, status)
        if not changing:
            break
    return _Small(name, before, *attributes_of(descriptor), data, changing)


def _read_large(
    saver: Saver, descriptor: int, name: bytes, status: os.stat_result, pool: Executor | None
) -> Read:
    """Save a file in pieces; one that changes meanwhile as ``_read_small`` does."""
    new_bytes = 0
    for _ in range(_ATTEMPTS):
        _let_clock_tick(status)
        before = status
        os.lseek(descriptor, 0, os.SEEK_SET)
        ids, size_bytes, stored = _save(saver, descriptor, before.st_size, pool)
        new_bytes += stored
        status = os.fstat(descriptor)
        changing = not _is_same(before, status)
        if not changing:
            break
    attributes, lacking = attributes_of(descriptor)
    node = describe(name, before, attributes, size=size_bytes, content=ids)
    return Read.of(node, new_bytes, changing, lacking)


def _is_same(one: os.stat_result, other: os.stat_result) -> bool:
    """Tell whether a file was not written to in between."""
    return (
        one.st_ctime_ns == other.st_ctime_ns
        and one.st_mtime_ns == other.st_mtime_ns
        and one.st_size == other.st_size
    )


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
