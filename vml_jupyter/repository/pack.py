"""Pack files: many sealed blobs, then a sealed header that lists them.

    sealed blob || ... || sealed blob || sealed header || length of the sealed header (u32)
    header entry: 0 data | 1 tree                       || stored length (u32) || id (32)
                  2 data, zstd | 3 tree, zstd           || stored length (u32) || plain length (u32) || id (32)

Integers are little-endian. Trees and data never share a pack. Source: restic's ``doc/design.rst``, "Pack Format".
"""

from __future__ import annotations

import hashlib
import struct
from typing import Annotated, Literal

import msgspec

from vml_jupyter.repository.cipher import OVERHEAD_BYTES, Key, Sealed

Kind = Literal["data", "tree"]

TARGET_BYTES = 16 << 20
"""A pack is closed once it holds this much."""

_FAR = 1 << 40  # beyond any pack; larger numbers overflow what the operating system takes
_PLAIN = struct.Struct("<BI32s")
_COMPRESSED = struct.Struct("<BII32s")
_LENGTH = struct.Struct("<I")
_CODES = {("data", False): 0, ("tree", False): 1, ("data", True): 2, ("tree", True): 3}


class PackedBlob(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a blob lies in its pack; ``uncompressed_length`` is 0 for one stored as it is."""

    id: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
    type: Kind
    offset: Annotated[int, msgspec.Meta(ge=0, le=_FAR)]
    length: Annotated[int, msgspec.Meta(ge=OVERHEAD_BYTES, le=_FAR)]
    uncompressed_length: Annotated[int, msgspec.Meta(ge=0, le=_FAR)] = 0

    @property
    def plain_length(self) -> int:
        return self.uncompressed_length or self.length - OVERHEAD_BYTES


class OpenPack:
    """A pack being filled. Not safe between threads: the writer holds its lock around every call."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.size_bytes = 0
        self.blobs: list[PackedBlob] = []
        self._pieces: list[bytes] = []

    def append(self, id: str, pieces: Sealed, uncompressed_length: int) -> int:
        """Add a sealed blob and return the bytes it takes."""
        length = sum(map(len, pieces))
        self.blobs.append(PackedBlob(id, self.kind, self.size_bytes, length, uncompressed_length))
        self._pieces.extend(pieces)
        self.size_bytes += length
        return length

    def close(self, key: Key) -> tuple[str, list[bytes]]:
        """Return the pack's id and its pieces."""
        header = key.seal(b"".join(map(_header_entry, self.blobs)))
        self._pieces.extend(header)
        self._pieces.append(_LENGTH.pack(sum(map(len, header))))
        digest = hashlib.sha256()
        for piece in self._pieces:
            digest.update(piece)
        return digest.hexdigest(), self._pieces


def _header_entry(blob: PackedBlob) -> bytes:
    id = bytes.fromhex(blob.id)
    code = _CODES[blob.type, bool(blob.uncompressed_length)]
    if blob.uncompressed_length:
        return _COMPRESSED.pack(code, blob.length, blob.uncompressed_length, id)
    return _PLAIN.pack(code, blob.length, id)


def pack_name(id: str) -> str:
    return f"data/{id[:2]}/{id}"
