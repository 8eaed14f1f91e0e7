"""Read the one-line file ``/version`` from the FAT partition of a CernVM image, without mounting anything.

    sector 0: partition table  ->  boot sector  ->  root directory  ->  entry "VERSION"  ->  its first cluster
    "cernvm-prod.cern.ch at HEAD4, uCernVM 2021.05-1.cernvm.x86_64"

Only FAT12 and FAT16 and only one cluster: that is what the image's builder makes. Every number comes from
the image and is untrusted, so each read is bounded, and what lies outside the file reads as nothing. Source
of the format: Microsoft's "FAT: General Overview of On-Disk Format"; of the file: cernvm-micro's Makefile.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_SECTOR = 512
_FAT_TYPES = (0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E)
_ROOT_ENTRIES_LIMIT = 4096
_ENTRY = 32
_LINE_LIMIT = 200
_FOLDER_OR_LABEL = 0x18


def read_version(image: Path) -> str:
    """Return the line in ``/version`` of a raw image or a bare FAT, '' if there is none."""
    with image.open("rb") as file:
        for start in _starts(file):
            line = _version_at(file, start)
            if line:
                return line
    return ""


def _starts(file: BinaryIO) -> list[int]:
    """Return the byte offsets at which a FAT may start."""
    head = file.read(_SECTOR)
    if len(head) < _SECTOR or head[510:] != b"\x55\xaa":
        return []
    starts = [0]
    for entry in range(446, 510, 16):
        kind = head[entry + 4]
        first_sector = struct.unpack_from("<I", head, entry + 8)[0]
        if kind in _FAT_TYPES and first_sector:
            starts.append(first_sector * _SECTOR)
    return starts


def _version_at(file: BinaryIO, start: int) -> str:
    file.seek(start)
    boot = file.read(_SECTOR)
    if len(boot) < _SECTOR or boot[510:] != b"\x55\xaa" or boot[0] not in (0xE9, 0xEB):
        return ""
    bytes_per_sector, sectors_per_cluster, reserved, fats, root_entries = struct.unpack_from(
        "<HBHBH", boot, 11
    )
    sectors_per_fat = struct.unpack_from("<H", boot, 22)[0]
    if bytes_per_sector not in (512, 1024, 2048, 4096) or not root_entries or not sectors_per_cluster:
        return ""
    root = start + (reserved + fats * sectors_per_fat) * bytes_per_sector
    data = root + -(-root_entries * _ENTRY // bytes_per_sector) * bytes_per_sector
    found = _find(file, root, min(root_entries, _ROOT_ENTRIES_LIMIT))
    if found is None:
        return ""
    cluster, size = found
    file.seek(data + (cluster - 2) * sectors_per_cluster * bytes_per_sector)
    line = file.read(min(size, _LINE_LIMIT)).decode("utf-8", "replace").strip()
    return line if line.isprintable() else ""


def _find(file: BinaryIO, root: int, entries: int) -> tuple[int, int] | None:
    """Return first cluster and size of the file VERSION in the root directory."""
    file.seek(root)
    table = file.read(entries * _ENTRY)
    for offset in range(0, len(table) - _ENTRY + 1, _ENTRY):
        name, attributes = table[offset : offset + 11], table[offset + 11]
        if name[0] == 0:
            return None
        if name == b"VERSION    " and not attributes & _FOLDER_OR_LABEL:
            cluster, size = struct.unpack_from("<HI", table, offset + 26)
            return (cluster, size) if cluster >= 2 and size else None
    return None
