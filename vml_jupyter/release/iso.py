"""Read the one-line file ``/version`` from a CernVM ISO image, without mounting anything.

    sector 16: volume descriptor -> root directory -> record "VERSION.;1" (or Rock Ridge's "version") -> its extent

Every number comes from the image and is untrusted, so each read is bounded, and what lies outside the file reads as
nothing. Source of the format: ECMA-119 (ISO 9660), IEEE P1282 (Rock Ridge: the field ``NM``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_SECTOR = 2048
_DESCRIPTOR = 16 * _SECTOR
_ROOT_LIMIT = 256 * 1024
_LINE_LIMIT = 200
_FOLDER = 0x02


def is_iso(file: BinaryIO) -> bool:
    """Tell whether an open file holds an ISO 9660 file system."""
    file.seek(_DESCRIPTOR)
    return file.read(6) == b"\x01CD001"


def volume_size(file: BinaryIO) -> int:
    """Return how many bytes an open ISO says that it has."""
    file.seek(_DESCRIPTOR)
    descriptor = file.read(_SECTOR).ljust(_SECTOR, b"\0")
    blocks = struct.unpack_from("<I", descriptor, 80)[0]
    block_size = struct.unpack_from("<H", descriptor, 128)[0]
    return int(blocks * block_size)


def read_version(image: Path) -> str:
    """Return the line in ``/version`` of an ISO, '' if there is none."""
    with image.open("rb") as file:
        if not is_iso(file):
            return ""
        file.seek(_DESCRIPTOR + 156)
        root = file.read(34)
        if len(root) < 34:
            return ""
        start, size = _extent(root)
        file.seek(start)
        for record in _records(file.read(min(size, _ROOT_LIMIT))):
            if _is_version(record):
                start, size = _extent(record)
                file.seek(start)
                line = file.read(min(size, _LINE_LIMIT)).decode("utf-8", "replace").strip()
                return line if line.isprintable() else ""
    return ""


def _extent(record: bytes) -> tuple[int, int]:
    return struct.unpack_from("<I", record, 2)[0] * _SECTOR, struct.unpack_from("<I", record, 10)[0]


def _records(folder: bytes) -> Iterator[bytes]:
    """Yield directory records; none crosses a sector, the rest of which is zero."""
    place = 0
    while place < len(folder):
        length = folder[place]
        if length == 0:
            place = (place // _SECTOR + 1) * _SECTOR
            continue
        record = folder[place : place + length]
        if len(record) == length and length > 33:
            yield record
        place += length


def _is_version(record: bytes) -> bool:
    if record[25] & _FOLDER:
        return False
    end = 33 + record[32]
    if record[33:end].split(b";")[0].rstrip(b".").upper() == b"VERSION":
        return True
    return b"NM\x0c\x01\x00version" in record[end:]
