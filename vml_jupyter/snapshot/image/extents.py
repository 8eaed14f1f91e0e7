"""Where the bytes of files lie: which blobs stand behind which part of the data area.

    data area | file 0 ......... pad | file 1 .. pad | file 2 ...
              | blob a | blob b |    | blob c |      | blob a | ...        each file starts on a block

Three arrays and 32 bytes per blob, so that a million files stay in tens of megabytes. How a file is cut into blobs
is asked of the source when the file is first read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from threading import Lock
from typing import NamedTuple

from vml_jupyter.errors import Foreign, LogbookDamaged
from vml_jupyter.snapshot.image.numbers import (
    BLOCK_BYTES,
    MAX_BLOCKS,
    MAX_SECTION_BYTES,
    MAX_SECTIONS,
    blocks,
)
from vml_jupyter.snapshot.image.source import Source

_ID_BYTES = 32
_KEPT_CUTS = 1 << 20


class Piece(NamedTuple):
    """The bytes ``start`` to ``stop`` of a blob, or as many zeros where ``blob`` is empty."""

    blob: str
    start: int
    stop: int


class Extents:
    """Give each file its blocks, one after the other, and find them again by offset."""

    def __init__(self) -> None:
        self.blocks = 0
        self._starts = array("Q")
        self._sizes = array("Q")
        self._firsts = array("Q", [0])
        self._ids = bytearray()
        self._cuts: OrderedDict[int, array[int]] = OrderedDict()
        self._kept = 0
        self._lock = Lock()

    def arrays(self) -> list[bytes]:
        """Return everything that is known, to be kept; ``restored`` undoes it, on a computer of this byte order."""
        return [self._starts.tobytes(), self._sizes.tobytes(), self._firsts.tobytes(), bytes(self._ids)]

    @classmethod
    def restored(cls, total_blocks: int, arrays: Sequence[bytes]) -> Extents:
        """Return what ``arrays`` was asked of.

        Raises:
            ValueError: They are not such arrays.
        """
        extents = cls()
        starts, sizes, firsts, ids = arrays
        for name, kept in (("_starts", starts), ("_sizes", sizes), ("_firsts", firsts)):
            values = array("Q")
            values.frombytes(kept)
            setattr(extents, name, values)
        extents._ids = bytearray(ids)
        extents.blocks = total_blocks
        files = len(extents._starts)
        if len(extents._sizes) != files or len(extents._firsts) != files + 1:
            raise ValueError("arrays of other lengths than they were kept with")
        if extents._firsts[-1] * _ID_BYTES != len(ids):
            raise ValueError("other ids than they were kept with")
        return extents

    def add(self, size: int, content: list[str] | None, name: str) -> int:
        """Give a file of ``size`` bytes, made of the blobs ``content``, its blocks; return the first.

        Raises:
            Foreign: The size and the blobs cannot belong together, or no image can hold them.
        """
        if not content or not 0 < size <= MAX_SECTION_BYTES * MAX_SECTIONS:
            raise Foreign(
                f"the file {name[:80]!a} of {size} bytes in {len(content or ())} blobs fits no disk image",
                "Restore the files into a folder instead: vml restore ENTRY --to DIR",
            )
        try:
            ids = bytes.fromhex(content[0] if len(content) == 1 else "".join(content))
        except (ValueError, TypeError) as error:
            raise Foreign(f"the file {name[:80]!a} names blobs by what is no id") from error
        if len(ids) != _ID_BYTES * len(content):
            raise Foreign(f"the file {name[:80]!a} names blobs by what is no id")
        start = self.blocks
        self._starts.append(start)
        self._sizes.append(size)
        self._ids += ids
        self._firsts.append(self._firsts[-1] + len(content))
        self.blocks = start + blocks(size)
        if self.blocks > MAX_BLOCKS:
            raise Foreign(
                "the working area is larger than the 8 TiB that fit one disk image",
                "Restore the files into a folder instead: vml restore ENTRY --to DIR",
            )
        return start

    def pieces(self, source: Source, start: int, stop: int) -> Iterator[Piece]:
        """Say what lies between two offsets (bytes) of the data area, in order and without gaps.

        Raises:
            LogbookDamaged: The blobs of a file are more or fewer bytes than the file.
        """
        file = bisect_right(self._starts, start // BLOCK_BYTES) - 1
        while start < stop:
            begin = self._starts[file] * BLOCK_BYTES
            end = begin + self._sizes[file]
            if start < end:
                yield from self._of_file(source, file, start - begin, min(stop, end) - begin)
            start = max(start, end)
            file += 1
            after = (self._starts[file] if file < len(self._starts) else self.blocks) * BLOCK_BYTES
            if start < stop and start < after:
                yield Piece("", 0, min(stop, after) - start)
            start = max(start, after)

    def _of_file(self, source: Source, file: int, start: int, stop: int) -> Iterator[Piece]:
        cuts = self._cut(source, file)
        first = self._firsts[file]
        at = bisect_right(cuts, start) - 1
        while start < stop:
            end = min(stop, cuts[at + 1])
            yield Piece(self._id(first + at), start - cuts[at], end - cuts[at])
            start = end
            at += 1

    def _id(self, index: int) -> str:
        return self._ids[index * _ID_BYTES : (index + 1) * _ID_BYTES].hex()

    def _cut(self, source: Source, file: int) -> array[int]:
        """Return the offsets at which the blobs of a file begin, and its size."""
        with self._lock:
            known = self._cuts.get(file)
            if known is not None:
                self._cuts.move_to_end(file)
                return known
        ids = map(self._id, range(self._firsts[file], self._firsts[file + 1]))
        cuts = array("Q", accumulate(map(source.blob_size, ids), initial=0))
        if cuts[-1] != self._sizes[file]:
            raise LogbookDamaged(
                f"a file of {self._sizes[file]} bytes has {cuts[-1]} bytes of blobs",
                "Run vml check --read-data; an older entry may hold the file whole",
            )
        self._keep(file, cuts)
        return cuts

    def _keep(self, file: int, cuts: array[int]) -> None:
        with self._lock:
            if self._cuts.setdefault(file, cuts) is cuts:
                self._kept += len(cuts)
            while self._kept > _KEPT_CUTS and len(self._cuts) > 1:
                self._kept -= len(self._cuts.popitem(last=False)[1])
