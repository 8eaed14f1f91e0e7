"""Put a boot partition and a system's together into one disk that a BIOS boots, without mounting anything.

sector 0        MBR: syslinux' boot code, two partitions
sector 2048     partition 1, active, FAT16: syslinux, kernel, initial RAM disk
then, aligned   partition 2, ext4
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

SECTOR_BYTES = 512
BOOT_START_SECTOR = 2048
_ALIGNMENT_SECTORS = 2048
_FAT16_LBA, _LINUX = 0x0E, 0x83
_COPY_BYTES = 1 << 20


def assemble(image: Path, code: bytes, boot: Path, system: Path) -> None:
    """Write a disk.

    Args:
        image: What is written, with holes where it is all zero.
        code: The boot code, of which 440 bytes count.
        boot: The first partition, which was made for ``BOOT_START_SECTOR``.
        system: The second one.
    """
    system_start = _aligned(BOOT_START_SECTOR + _sectors(boot))
    with image.open("wb") as disk:
        disk.write(_master_boot_record(code, boot, system, system_start))
        _copy_sparse(boot, disk.fileno(), BOOT_START_SECTOR * SECTOR_BYTES)
        _copy_sparse(system, disk.fileno(), system_start * SECTOR_BYTES)
        disk.truncate((system_start + _sectors(system)) * SECTOR_BYTES)


def _master_boot_record(code: bytes, boot: Path, system: Path, system_start: int) -> bytes:
    partitions = _partition(True, _FAT16_LBA, BOOT_START_SECTOR, _sectors(boot))
    partitions += _partition(False, _LINUX, system_start, _sectors(system))
    return code[:440].ljust(446, b"\0") + partitions.ljust(64, b"\0") + b"\x55\xaa"


def _partition(active: bool, kind: int, start: int, sectors: int) -> bytes:
    beyond_chs = b"\xfe\xff\xff"
    status = b"\x80" if active else b"\0"
    return status + beyond_chs + bytes([kind]) + beyond_chs + struct.pack("<II", start, sectors)


def _sectors(file: Path) -> int:
    return -(-file.stat().st_size // SECTOR_BYTES)


def _aligned(sector: int) -> int:
    return -(-sector // _ALIGNMENT_SECTORS) * _ALIGNMENT_SECTORS


def _copy_sparse(source: Path, target: int, offset: int) -> None:
    """Copy ``source`` to ``offset``, leaving holes where it is all zero."""
    zeros = bytes(_COPY_BYTES)
    with source.open("rb") as file:
        while chunk := file.read(_COPY_BYTES):
            if chunk != zeros[: len(chunk)]:
                os.pwrite(target, chunk, offset)
            offset += len(chunk)
