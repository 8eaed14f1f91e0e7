"""Assemble the bootable disks without mounting anything.

    sector 0        MBR: syslinux' boot code, two partitions
    sector 2048     partition 1, active, FAT16: syslinux, kernel, initial RAM disk; each bootloader's own
    then, aligned   partition 2, ext4 "cernvm-mini", in all disks the same: base/, <tag>/<path>/, shared/, cvmfs/,
                    empty/, systems
    at the end      the 64 KiB signature block (see signature.py), of those that are published as they are

mke2fs fills the ext4 from a folder, so ownership needs root or fakeroot, and nothing else does.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from vml_jupyter.release.mini import recipe, stacks
from vml_jupyter.release.mini.base import BOOT_START_SECTOR
from vml_jupyter.release.mini.programs import Runner

SECTOR_BYTES = 512
ALIGNMENT_SECTORS = 2048
FAT16_LBA, LINUX = 0x0E, 0x83
COPY_BYTES = 1 << 20


def populate(folder: Path, runner: Runner) -> None:
    """Turn ``folder/base.tar`` into ``folder/{boot-<V>.img,mbr.bin,system.img}``.

    Raises:
        HostError: A program failed, e.g. for want of room.
    """
    (folder / "systems").write_text(systems_table())
    (folder / "repositories").write_text(repositories_table())
    for revision in recipe.REVISIONS:
        files = folder / revision.folder
        files.mkdir(parents=True)
        (files / "README").write_bytes(revision.content)
    become_root = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    runner.run("populate", [*become_root, "sh", str(recipe.IMAGE_DATA / "populate.sh"), str(folder)])
    commands = folder / "attributes"
    commands.write_text("".join(f"ea_set {line}\n" for line in _attributes()))
    runner.run("debugfs", ["debugfs", "-w", "-f", str(commands), str(folder / "system.img")])


def systems_table() -> str:
    """Return what the initial RAM disk reads: ``<tag> <root hash> <revision> <time> <shared>``, the newest last.

    ``<shared>`` are the folders below the system's own, joined by colons, or a dash.
    """
    rows = [
        (s.tag, s.root_hash, str(s.revision), str(s.published), ":".join(stacks.stack(s)[1:]) or "-")
        for s in recipe.SYSTEMS
    ]
    return "".join(f"{' '.join(row)}\n" for row in rows)


def repositories_table() -> str:
    """Return what the initial RAM disk mounts below /cvmfs: ``<fqrn> <folder> <root hash> <tag>``, the newest last."""
    return "".join(f"{r.fqrn} {r.folder} {r.root_hash} {r.tag}\n" for r in recipe.REVISIONS)


def _attributes() -> list[str]:
    """Return the extended attributes that ``attr -qg root_hash /mnt/.ro`` finds on a CernVM."""
    return [
        f"/{state.folder} user.{name} {value}"
        for state in (*recipe.SYSTEMS, *recipe.REVISIONS)
        for name, value in (
            ("root_hash", state.root_hash),
            ("tag", state.tag),
            ("revision", state.revision),
            ("fqrn", state.fqrn),
        )
    ]


def assemble(folder: Path, image: Path, bootloader: str) -> None:
    """Write the disk ``image`` of a bootloader, still unsigned, from what ``populate`` made in ``folder``."""
    boot, system = folder / f"boot-{bootloader}.img", folder / "system.img"
    system_start = _aligned(BOOT_START_SECTOR + _sectors(boot))
    with image.open("wb") as disk:
        disk.write(_master_boot_record((folder / "mbr.bin").read_bytes(), boot, system, system_start))
        _copy_sparse(boot, disk.fileno(), BOOT_START_SECTOR * SECTOR_BYTES)
        _copy_sparse(system, disk.fileno(), system_start * SECTOR_BYTES)
        disk.truncate((system_start + _sectors(system)) * SECTOR_BYTES)


def _master_boot_record(code: bytes, boot: Path, system: Path, system_start: int) -> bytes:
    partitions = _partition(True, FAT16_LBA, BOOT_START_SECTOR, _sectors(boot))
    partitions += _partition(False, LINUX, system_start, _sectors(system))
    return code[:440].ljust(446, b"\0") + partitions.ljust(64, b"\0") + b"\x55\xaa"


def _partition(active: bool, kind: int, start: int, sectors: int) -> bytes:
    beyond_chs = b"\xfe\xff\xff"
    status = b"\x80" if active else b"\0"
    return status + beyond_chs + bytes([kind]) + beyond_chs + struct.pack("<II", start, sectors)


def _sectors(file: Path) -> int:
    return -(-file.stat().st_size // SECTOR_BYTES)


def _aligned(sector: int) -> int:
    return -(-sector // ALIGNMENT_SECTORS) * ALIGNMENT_SECTORS


def _copy_sparse(source: Path, target: int, offset: int) -> None:
    """Copy ``source`` to ``offset``, leaving holes where it is all zero."""
    zeros = bytes(COPY_BYTES)
    with source.open("rb") as file:
        while chunk := file.read(COPY_BYTES):
            if chunk != zeros[: len(chunk)]:
                os.pwrite(target, chunk, offset)
            offset += len(chunk)
