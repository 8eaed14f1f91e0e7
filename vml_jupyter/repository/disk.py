"""How a file gets onto a disk whole or not at all, on disks and file servers that differ in what they can do.

write: tmp/<name> -> fsync      move_into_place: rename, or link where it must be new -> fsync of the folder

A file system that has no modes, no hard links, or nothing to fsync in a folder (some file servers, FAT, FUSE)
says so, and then does without; any other error is one. See ``vml_jupyter.replacing``.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vml_jupyter.replacing import CANNOT, sync
from vml_jupyter.repository.identity import process_exists, process_space

_STALE_S = 86_400


def write(path: Path, pieces: Sequence[bytes], mode: int, *, lasts: bool) -> None:
    """Write a new file; one that ``lasts`` survives a power cut once its folder is on the disk, too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb", buffering=1 << 20) as file:  # noqa: PTH123 - a descriptor, no path
        set_mode(descriptor, mode)
        file.writelines(pieces)
        file.flush()
        if lasts:
            sync(descriptor)


def set_mode(descriptor: int, mode: int) -> None:
    """Set a file's mode, where files have one of their own."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in (*CANNOT, errno.EPERM):
            raise


def remove_stale(folder: Path) -> None:
    """Remove what crashes left in a folder: files of dead processes of this computer, and all that is a day old.

    Their names begin with the space and the id of the process that writes them, as in ``tmp/``. Another user's files
    there may not be ours to remove.
    """
    before = time.time() - _STALE_S
    mine = process_space()
    for path in folder.iterdir():
        space, _, rest = path.name.partition(".")
        pid = rest.partition(".")[0]
        dead = space == mine and pid.isdecimal() and not process_exists(int(pid))
        with suppress(OSError):
            if dead or path.lstat().st_mtime < before:
                path.unlink()
