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
from pathlib import Path

from vml_jupyter.building import partitions
from vml_jupyter.building.programs import Runner
from vml_jupyter.release.mini import recipe, stacks


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
    code = (folder / "mbr.bin").read_bytes()
    partitions.assemble(image, code, folder / f"boot-{bootloader}.img", folder / "system.img")
