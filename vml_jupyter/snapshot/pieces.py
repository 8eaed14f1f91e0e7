"""Cut a file into the pieces that become blobs.

    up to 512 KiB   one piece
    more            FastCDC: pieces of 512 KiB to 8 MiB, 1 MiB on average, cut where the content says so

A byte inserted at the front of a large file therefore changes one piece, not all of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

SMALL_BYTES = 512 << 10
"""A file up to this size is one piece."""

_AVERAGE = 1 << 20
_LARGEST = 8 << 20
_BLOCK = 4 << 20
BUFFER_BYTES = _LARGEST + _BLOCK
"""Has room for a block after the largest piece."""


def cut(descriptor: int, size: int, buffer: bytearray | None = None) -> Iterator[list[memoryview]]:
    """Yield the pieces of a file, those that end in one block together.

    A cut depends on the bytes before it alone, but for the last of a block, which waits for the next.

    Args:
        descriptor: The file, at its beginning.
        size: How many bytes to read.
        buffer: Where to read them; then pieces are gone when the next are asked for. It has
            ``BUFFER_BYTES``.
    """
    from fastcdc.fastcdc_cy import fastcdc_cy  # its package imports a command line of its own

    rest = memoryview(b"")
    while True:
        data, block = _read_on(descriptor, min(_BLOCK, size), rest, buffer)
        size -= block
        pieces = [
            data[chunk.offset : chunk.offset + chunk.length]
            for chunk in fastcdc_cy(data, SMALL_BYTES, _AVERAGE, _LARGEST)
        ]
        if not block or not size:
            yield pieces
            return
        rest = pieces.pop()
        yield pieces


def _read_on(
    descriptor: int, count: int, rest: memoryview, buffer: bytearray | None
) -> tuple[memoryview, int]:
    """Return ``rest`` and up to ``count`` bytes that follow it, and how many did."""
    if buffer is None:
        block = os.read(descriptor, count)
        return memoryview(b"".join((rest, block))), len(block)
    whole = memoryview(buffer)
    kept = len(rest)
    whole[:kept] = rest
    read = os.readv(descriptor, [whole[kept : kept + count]]) if count else 0
    return whole[: kept + read], read
