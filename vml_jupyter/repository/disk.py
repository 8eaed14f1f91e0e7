"""How a file gets onto a disk whole or not at all, on disks and file servers that differ in what they can do.

write: tmp/<name> -> fsync      move_into_place: rename, or link where it must be new -> fsync of the folder

A file system that has no modes, no hard links, or nothing to fsync in a folder (some file servers, FAT, FUSE)
says so, and then does without; any other error is one.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from vml_jupyter.repository.identity import process_exists, process_space

_STALE_S = 86_400
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


def write(path: Path, pieces: Sequence[bytes], mode: int, *, lasts: bool) -> None:
    """Write a new file; one that ``lasts`` survives a power cut once its folder is on the disk, too."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "wb", buffering=1 << 20) as file:  # noqa: PTH123 - a descriptor, no path
        set_mode(descriptor, mode)
        file.writelines(pieces)
        file.flush()
        if lasts:
            sync(descriptor)


def link(temporary: Path, target: Path) -> None:
    """Give a file a second name that must be new.

    Raises:
        FileExistsError: It is not.
    """
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in (*_CANNOT, errno.EPERM, errno.EMLINK):
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        temporary.rename(target)  # not safe against who does the same now, but all there is


def set_mode(descriptor: int, mode: int) -> None:
    """Set a file's mode, where files have one of their own."""
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in (*_CANNOT, errno.EPERM):
            raise


def sync(descriptor: int) -> None:
    """Return when what was written is on the disk, where that can be asked for."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk, where that can be asked for."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


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
