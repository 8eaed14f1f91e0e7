"""Numbers as ECMA-119 writes them, and the sizes everything in the image is counted in.

both32  0x01020304  ->  04 03 02 01  01 02 03 04        both16  0x0102  ->  02 01  01 02
"""

from __future__ import annotations

BLOCK_BYTES = 2048
MAX_BLOCKS = 2**32 - 1
MAX_SECTION_BYTES = 2**32 - BLOCK_BYTES
"""The largest whole number of blocks whose size in bytes fits 32 bits: longer files have several sections."""
MAX_SECTIONS = 100
"""How many sections of one file Linux follows (``isofs_read_level3_size`` in fs/isofs/inode.c)."""


def both16(value: int) -> bytes:
    return value.to_bytes(2, "little") + value.to_bytes(2, "big")


def both32(value: int) -> bytes:
    return value.to_bytes(4, "little") + value.to_bytes(4, "big")


def blocks(size_bytes: int) -> int:
    """Return how many blocks hold ``size_bytes``."""
    return -(-size_bytes // BLOCK_BYTES)
