"""What stands in front of the folders: descriptors that say how large the volume is and where its root lies.

    block 0..15   zeros (system area)
    block 16      primary volume descriptor: label VML_AREA, root record, path tables
    block 17      end of descriptors
    block 18...   path table, little-endian; then path table, big-endian

No clock is asked: the descriptor's own times are "not given". Source: ECMA-119 8.4, 8.3, 9.4.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from vml_jupyter.snapshot.image.directory import FOLDER, record
from vml_jupyter.snapshot.image.numbers import BLOCK_BYTES, blocks, both16, both32

LABEL = "VML_AREA"
PATH_TABLES_AT = 18
_ROOT_ROW_BYTES, _ROW_BYTES = 10, 16
_NO_TIME = b"0" * 16 + b"\0"


def path_table_bytes(folders: int) -> int:
    """Return the size of one path table for a root and ``folders`` other folders."""
    return _ROOT_ROW_BYTES + _ROW_BYTES * folders


def first_folder(folders: int) -> int:
    """Return the block behind both path tables."""
    return PATH_TABLES_AT + 2 * blocks(path_table_bytes(folders))


def path_table(rows: Sequence[tuple[bytes, int, int]], order: str) -> bytes:
    """Return a path table for ``(identifier, first block, parent's number)``, padded to whole blocks.

    Parent numbers have 16 bits: a folder behind the 65,535th is no longer findable this way. Linux does not look here.

    Args:
        rows: All folders, the root first, level by level.
        order: ``<`` or ``>``, as struct spells byte orders.
    """
    head = struct.Struct(order + "BBIH")
    table = b"".join(
        [
            head.pack(len(name), 0, block, min(parent, 0xFFFF)) + name + b"\0" * (len(name) & 1)
            for name, block, parent in rows
        ]
    )
    return table + bytes(-len(table) % BLOCK_BYTES)


def descriptors(tree: str, total_blocks: int, folders: int, root: tuple[int, int], stamp: bytes) -> bytes:
    """Return the first 18 blocks.

    Args:
        tree: The tree id, which names the volume set.
        total_blocks: Size of the whole image.
        folders: How many folders there are besides the root.
        root: First block and size in bytes of the root folder.
        stamp: The time of the root folder.
    """
    table = path_table_bytes(folders)
    primary = b"".join(
        (
            b"\1CD001\1\0",
            _text("LINUX", 32),
            _text(LABEL, 32),
            bytes(8) + both32(total_blocks) + bytes(32),
            both16(1) + both16(1) + both16(BLOCK_BYTES) + both32(table),
            struct.pack("<II", PATH_TABLES_AT, 0),
            struct.pack(">II", PATH_TABLES_AT + blocks(table), 0),
            record(b"\0", FOLDER, both32(root[0]), both32(root[1]), stamp, b""),
            _text("".join(c if c.isascii() and c.isalnum() else "_" for c in tree).upper(), 128),
            _text("", 128),
            _text("VML_JUPYTER", 128),
            _text("", 128),
            _text("", 3 * 37),
            _NO_TIME * 4 + b"\1\0",
        )
    )
    end = b"\xffCD001\1"
    return bytes(16 * BLOCK_BYTES) + primary.ljust(BLOCK_BYTES, b"\0") + end.ljust(BLOCK_BYTES, b"\0")


def _text(value: str, length: int) -> bytes:
    return value.encode("ascii")[:length].ljust(length)
