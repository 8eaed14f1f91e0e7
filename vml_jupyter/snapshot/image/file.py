"""Write a large file once, and whole or not at all.

FOLDER/.NAME.XXXXXXXX.part  --fsync-->  FOLDER/NAME  --fsync of FOLDER
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vml_jupyter.errors import DiskFull, NotFound, WouldOverwrite
from vml_jupyter.progress import Progress
from vml_jupyter.replacing import sync_folder

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_new(
    path: Path, pieces: Iterable[bytes], size_bytes: int, progress: Progress, *, overwrite: bool = False
) -> None:
    """Write ``pieces``, ``size_bytes`` in all, to ``path``, where nothing may be yet, or with ``overwrite`` a file.

    Raises:
        WouldOverwrite: Something is there, or came there meanwhile.
        NotFound: The folder is not there.
        DiskFull: It does not fit.
    """
    replaces = overwrite and path.is_file()
    if not replaces:
        _refuse_to_overwrite(path)
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent}", "Make it first, or choose another")
    if shutil.disk_usage(path.parent).free < size_bytes:
        raise _disk_full(path, size_bytes)
    with _staged(path) as (descriptor, staged):
        try:
            _write(descriptor, pieces, size_bytes, progress)
            os.fsync(descriptor)
        except OSError as error:
            if error.errno in _FULL:
                raise _disk_full(path, size_bytes) from error
            raise
        if replaces:
            staged.replace(path)
        else:
            _name(staged, path)
    sync_folder(path.parent)


def _write(descriptor: int, pieces: Iterable[bytes], size_bytes: int, progress: Progress) -> None:
    done = 0
    progress.advance(0, size_bytes, "bytes")
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
        done += len(piece)
        progress.advance(done, size_bytes, "bytes")


@contextmanager
def _staged(path: Path) -> Iterator[tuple[int, Path]]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    try:
        yield descriptor, Path(name)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _name(staged: Path, path: Path) -> None:
    """Give the finished file its name; a link refuses an existing one, where the file system has links."""
    try:
        os.link(staged, path)
    except FileExistsError as error:
        raise _taken(path) from error
    except OSError:  # FAT and some network file systems know no hard links
        _refuse_to_overwrite(path)
        staged.rename(path)


def _refuse_to_overwrite(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise _taken(path)


def _taken(path: Path) -> WouldOverwrite:
    return WouldOverwrite(f"there already is something at {path}", "Choose another name, or remove it first")


def _disk_full(path: Path, size_bytes: int) -> DiskFull:
    return DiskFull(
        f"{path.parent} has no room for an image of {size_bytes / 1e9:.1f} GB",
        "Free some space, or write the image to another disk",
    )
