"""Replace a file as a whole: whoever reads it finds what was there or what is there now, never half of either.

    <folder>/.<name>-<random>    mode 0600, written beside it, forced to the disk if it ``lasts``
    <folder>/<name>              takes its place

A cache that can be made again need not last. What a killed process left of an earlier attempt is removed by a later
one. A file system that has nothing to force to a disk (some file servers, FAT, FUSE) says so, and then does without;
any other error is one.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

_STALE_S = 3600
CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What file systems answer to what they have not."""


def replace_file(
    file: Path, pieces: Iterable[bytes | memoryview], *, lasts: bool = False, new: bool = False
) -> None:
    """Put ``pieces``, one after the other, into the place of ``file``; its folder is made where there is none.

    Args:
        file: Where they go.
        pieces: What it will hold.
        lasts: Return when it is on the disk, so that a power cut leaves it whole.
        new: There must be no such file; of several who write it at once, one does.

    Raises:
        FileExistsError: It is there, and was to be new.
        OSError: It cannot be; what was there is there still.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(file)
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, no path
            stream.writelines(pieces)
            if lasts:
                stream.flush()
                sync(descriptor)
        if new:
            link(temporary, file)
            temporary.unlink(missing_ok=True)
        else:
            temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if lasts:
        sync_folder(file.parent)


def link(temporary: Path, target: Path) -> None:
    """Give a file a second name that must be new.

    Raises:
        FileExistsError: It is not.
    """
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in (*CANNOT, errno.EPERM, errno.EMLINK):
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        temporary.rename(target)  # not safe against who does the same now, but all there is


def sync(descriptor: int) -> None:
    """Return when what was written is on the disk, where that can be asked for."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT:
            raise


def sync_file(file: Path) -> None:
    """Return when what another program wrote into a file is on the disk."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(file: Path) -> None:
    """Remove what is so old that nobody is writing it any more."""
    prefix, length = f".{file.name}-", len(file.name) + 10
    with os.scandir(file.parent) as entries:
        found = [entry for entry in entries if entry.name.startswith(prefix) and len(entry.name) == length]
    for entry in found:
        try:
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - _STALE_S:
                file.with_name(entry.name).unlink()
        except FileNotFoundError:
            continue  # somebody else was faster
