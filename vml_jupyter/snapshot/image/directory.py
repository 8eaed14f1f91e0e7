"""One folder on the disk: its directory records, and the entries too long to follow their record.

    | . | .. | 00000000.;1 | 00000001 | ... | pad |      records; none crosses a block, so blocks end in zeros
    | entries of long names and link targets | pad |     continuation area, right behind; no piece crosses a block

    record: length 0 | extent | size | time | flags 0 0 | volume 1 | name length | name | pad | Rock Ridge entries

The names that ISO 9660 sees are numbers in the order of the tree: unique, sorted, and of one length. The real name
is Rock Ridge's. Source: ECMA-119 9.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from vml_jupyter.snapshot.image.numbers import BLOCK_BYTES, both32
from vml_jupyter.snapshot.image.susp import CE_BYTES, continuation

FOLDER, MORE_SECTIONS = 0x02, 0x80
EXTENT_AT, SIZE_AT, NAME_AT = 2, 10, 33
_MAX_RECORD_BYTES = 254
_LENGTHS = [bytes((length, 0)) for length in range(256)]
_TAILS = {
    (flags, length): bytes((flags, 0, 0, 1, 0, 0, 1, length))
    for flags in (0, FOLDER, MORE_SECTIONS)
    for length in (1, 8, 11)
}
_EMPTY = both32(0)


def file_identifier(number: int) -> bytes:
    return b"%08d.;1" % number


def folder_identifier(number: int) -> bytes:
    return b"%08d" % number


def room(identifier: bytes) -> int:
    """Return how many bytes of entries may follow a record with this name."""
    return _MAX_RECORD_BYTES - _padded(NAME_AT + len(identifier))


def record(identifier: bytes, flags: int, extent: bytes, size: bytes, stamp: bytes, entries: bytes) -> bytes:
    """Return one directory record; ``extent`` and ``size`` are both-endian already."""
    length = NAME_AT + len(identifier)
    pad = b"\0" if length & 1 else b""
    end = b"\0" if len(entries) & 1 else b""
    length += len(pad) + len(entries) + len(end)
    head = _LENGTHS[length] + extent + size + stamp
    return head + _TAILS[flags, len(identifier)] + identifier + pad + entries + end


class Directory:
    """Collect the records of one folder, which starts at ``start`` (in blocks) on the disk.

    Args:
        start: The folder's own first block.
        stamp: The time that ``.`` and ``..`` carry.
        own: The entries of ``.``; what does not fit behind the record goes to the continuation area.
        parents: The entries of ``..``.
    """

    def __init__(self, start: int, stamp: bytes, own: Sequence[bytes], parents: Sequence[bytes]) -> None:
        self._start = start
        self._records = bytearray()
        self._area = bytearray()
        self._references: list[int] = []
        self.append(b"\0", FOLDER, _EMPTY, _EMPTY, stamp, own)
        self.parent_at = self.append(b"\1", FOLDER, _EMPTY, _EMPTY, stamp, parents)

    def append(
        self,
        identifier: bytes,
        flags: int,
        extent: bytes,
        size: bytes,
        stamp: bytes,
        entries: Sequence[bytes],
    ) -> int:
        """Append a record with any number of entries; return where it begins."""
        if len(entries) == 1:
            return self.append_short(record(identifier, flags, extent, size, stamp, entries[0]))
        inline = self._fit(entries, room(identifier))
        at = self.append_short(record(identifier, flags, extent, size, stamp, inline))
        if len(inline) != sum(map(len, entries)):  # a reference was put in
            self._references.append(at + _padded(NAME_AT + len(identifier)) + len(inline) - CE_BYTES)
        return at

    def append_short(self, record: bytes) -> int:
        """Append a record that needs no continuation; return where it begins."""
        at = len(self._records)
        left = -at % BLOCK_BYTES
        if 0 < left < len(record):
            self._records += bytes(left)
            at += left
        self._records += record
        return at

    def _fit(self, entries: Sequence[bytes], space: int) -> bytes:
        """Return the entries that fit into ``space`` bytes, with a reference to the rest where there is a rest."""
        if sum(map(len, entries)) <= space:
            return b"".join(entries)
        inline = b""
        for index, entry in enumerate(entries):
            if len(inline) + len(entry) > space - CE_BYTES:
                return inline + self._continue(entries[index:])
            inline += entry
        raise AssertionError("the entries fitted after all")

    def _continue(self, entries: Sequence[bytes]) -> bytes:
        """Put entries into the continuation area; return the reference to them, relative to that area."""
        length = sum(map(len, entries))
        left = -len(self._area) % BLOCK_BYTES
        if length > left:
            self._area += bytes(left)
        at = len(self._area)
        if length <= BLOCK_BYTES:
            self._area += b"".join(entries)
        else:
            self._area += bytes(BLOCK_BYTES)  # taken before the rest is put behind it
            piece = self._fit(entries, BLOCK_BYTES)
            length = len(piece)
            self._area[at : at + length] = piece
            self._references.append(-(at + length - CE_BYTES) - 1)  # negative: counts in the area
        block, offset = divmod(at, BLOCK_BYTES)
        return continuation(block, offset, length)

    def close(self, parent: tuple[int, int] | None) -> tuple[bytearray, int]:
        """Return the folder's whole blocks, and how many bytes of them are directory.

        Args:
            parent: Where the parent begins (block) and its size in bytes; None for the root, its own parent.
        """
        size = _whole(self._records)
        area_start = self._start + size // BLOCK_BYTES
        _whole(self._area)
        for at in self._references:
            target, place = (self._records, at) if at >= 0 else (self._area, -at - 1)
            relative = int.from_bytes(target[place + 4 : place + 8], "little")
            target[place + 4 : place + 12] = both32(area_start + relative)
        locate(self._records, 0, self._start, size)
        locate(self._records, self.parent_at, *(parent or (self._start, size)))
        return self._records + self._area, size


def locate(buffer: bytearray, at: int, block: int, size: int) -> None:
    """Write extent and size into the record that begins at ``at``."""
    buffer[at + EXTENT_AT : at + SIZE_AT + 8] = both32(block) + both32(size)


def _whole(buffer: bytearray) -> int:
    buffer += bytes(-len(buffer) % BLOCK_BYTES)
    return len(buffer)


def _padded(length: int) -> int:
    return length + (length & 1)
