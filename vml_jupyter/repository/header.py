"""A pack's own list of what is in it, read back: the inverse of ``OpenPack.close``.

    <pack>  ... sealed header || length (u32)   ->   [PackedBlob, PackedBlob, ...]

Nothing needs it as long as the index is whole: it is what the index is checked against and rebuilt from.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.cipher import OVERHEAD_BYTES, Forged, Key
from vml_jupyter.repository.pack import Kind, PackedBlob, pack_name
from vml_jupyter.repository.store import Store

_LENGTH_BYTES = 4
_TAIL_BYTES = 64 << 10
_MAXIMUM_BYTES = 64 << 20
_PLAIN = struct.Struct("<I32s")
_COMPRESSED = struct.Struct("<II32s")
_KINDS: dict[int, tuple[Kind, struct.Struct]] = {
    0: ("data", _PLAIN),
    1: ("tree", _PLAIN),
    2: ("data", _COMPRESSED),
    3: ("tree", _COMPRESSED),
}


def pack_bytes(blobs: Sequence[PackedBlob]) -> int:
    """Return how long a pack is that holds these blobs and no others."""
    entries = sum(1 + (_COMPRESSED if blob.uncompressed_length else _PLAIN).size for blob in blobs)
    return sum(blob.length for blob in blobs) + entries + OVERHEAD_BYTES + _LENGTH_BYTES


def read_header(store: Store, key: Key, pack: str, size_bytes: int) -> list[PackedBlob]:
    """Return what a pack of this size says that it holds.

    Raises:
        FileNotFoundError: The pack is gone.
        LogbookDamaged: It was cut or altered where it says so.
    """
    name = pack_name(pack)
    start = max(0, size_bytes - _TAIL_BYTES)
    tail = store.get_range(name, start, size_bytes - start) if size_bytes else b""
    length = int.from_bytes(tail[-_LENGTH_BYTES:], "little")
    if not OVERHEAD_BYTES <= length <= min(size_bytes - _LENGTH_BYTES, _MAXIMUM_BYTES):
        raise LogbookDamaged(f"{name} of {store.label} ends without a header")
    if length + _LENGTH_BYTES > len(tail):
        tail = store.get_range(name, size_bytes - length - _LENGTH_BYTES, length + _LENGTH_BYTES)
    try:
        blobs = parse_header(key.open(tail[-length - _LENGTH_BYTES : -_LENGTH_BYTES]))
    except Forged:
        raise LogbookDamaged(f"the header of {name} of {store.label} was cut or altered") from None
    if pack_bytes(blobs) != size_bytes:
        raise LogbookDamaged(f"the header of {name} of {store.label} does not fit its size")
    return blobs


def parse_header(plain: bytes) -> list[PackedBlob]:
    """Return the blobs that a header lists, in the order in which they lie in the pack.

    Raises:
        LogbookDamaged: It is no header.
    """
    blobs: list[PackedBlob] = []
    position = offset = 0
    while position < len(plain):
        known = _KINDS.get(plain[position])
        if known is None or position + 1 + known[1].size > len(plain):
            raise LogbookDamaged("a pack's header is not written as the format demands")
        kind, entry = known
        length, *rest, id = entry.unpack_from(plain, position + 1)
        if length < OVERHEAD_BYTES:
            raise LogbookDamaged("a pack's header lists a blob that is too short")
        blobs.append(PackedBlob(id.hex(), kind, offset, length, rest[0] if rest else 0))
        position += 1 + entry.size
        offset += length
    return blobs
