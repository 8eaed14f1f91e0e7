"""How documents and blobs are packed before they are sealed: zstd or as they are.

    document, format 2:  0x02 || zstd(JSON)        or the JSON itself, which begins with { or [
    document, format 1:  JSON
    blob:                zstd(bytes) where that is shorter, else the bytes

Source: restic's ``doc/design.rst``, "Unpacked Data Format".
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from typing import cast

import zstandard

from vml_jupyter.repository.cipher import Buffer

_ZSTD = 2
# Measured on sources, trees, and a table of numbers cut into pieces: beside level 2, sources above 8 KiB take 1 % more
# room, smaller ones and tables no more, trees 2 % less, all for a quarter to a half less time.
_LEVEL = 1
_MAXIMUM_BYTES = 1 << 30
_DOCUMENT_BYTES = 128 << 20  # an index file names 50,000 blobs, of some 150 bytes each


class Unreadable(Exception):
    """The bytes are in no encoding that this program knows."""


class _Contexts(threading.local):
    """zstd contexts belong to one thread at a time."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress(raw: bytes | memoryview) -> bytes:
    return _contexts.compressor.compress(raw)


def compress_all(blobs: Sequence[Buffer]) -> list[Buffer]:
    """Compress each of ``blobs``, in one call that holds the interpreter's lock for none of it."""
    if len(blobs) < 2 or not any(map(len, blobs)):  # the call below refuses to compress nothing at all
        return list(map(compress, blobs))
    segments = _contexts.compressor.multi_compress_to_buffer(list(blobs), threads=1)
    return [memoryview(cast(bytes, segments[position])) for position in range(len(segments))]


def decompress(raw: Buffer, size_bytes: int = 0, largest_bytes: int = _MAXIMUM_BYTES) -> bytes:
    """Return the plain bytes; ``size_bytes`` is how many they must be, where that is known.

    Raises:
        Unreadable: The frame is broken, or larger than anything a repository holds.
    """
    try:
        declared = zstandard.frame_content_size(raw)
        if max(declared, size_bytes) > largest_bytes or (size_bytes and declared not in (-1, size_bytes)):
            raise Unreadable("a frame of a size that cannot be")
        # A frame that does not say its size, as restic's small documents: a block of at most 128 kB takes 4 bytes.
        most = min(largest_bytes, (len(raw) // 4 + 1) << 17)
        return _contexts.decompressor.decompress(raw, max_output_size=size_bytes or most)
    except zstandard.ZstdError as error:
        raise Unreadable(str(error)) from error


def decompress_all(frames: Sequence[Buffer], sizes_bytes: Sequence[int]) -> list[Buffer]:
    """Decompress each of ``frames``, in one call that holds the interpreter's lock for none of it.

    Raises:
        Unreadable: A frame is broken, or not of the size that it should have.
    """
    # python-zstandard 0.25 writes beyond its memory where it must ask a frame for its size and that is a lie.
    if len(frames) < 2 or max(sizes_bytes) > _MAXIMUM_BYTES or not min(sizes_bytes):
        return [decompress(frame, size) for frame, size in zip(frames, sizes_bytes, strict=True)]
    try:
        segments = _contexts.decompressor.multi_decompress_to_buffer(
            list(frames), decompressed_sizes=array("Q", sizes_bytes).tobytes(), threads=1
        )
    except (zstandard.ZstdError, ValueError) as error:
        raise Unreadable(str(error)) from error
    return [memoryview(cast(bytes, segments[position])) for position in range(len(segments))]


def encode_document(json: bytes, version: int) -> bytes:
    return bytes([_ZSTD]) + compress(json) if version >= 2 else json


def document_version(raw: bytes) -> int:
    """Return the version of the format that a document is written in: 1 knows no compression."""
    return 2 if raw[:1] == bytes([_ZSTD]) else 1


def decode_document(raw: bytes) -> bytes:
    """Return the JSON of a document.

    Raises:
        Unreadable: It begins with none of the known bytes.
    """
    if raw[:1] in (b"{", b"["):
        return raw
    if raw[:1] == bytes([_ZSTD]):
        return decompress(raw[1:], largest_bytes=_DOCUMENT_BYTES)
    raise Unreadable("an encoding that this program does not know")
