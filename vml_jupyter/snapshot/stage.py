"""The folder in which a snapshot is laid out before it gets its name.

<parent>/.vml-<random>/...    made beside the target, nobody else may look into it
<parent>/<target>             the same folder, once all is there; on failure it is removed, see also ``leftovers``
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vml_jupyter.errors import BadArea, DiskFull, WouldOverwrite
from vml_jupyter.snapshot.leftovers import empty, marked
from vml_jupyter.snapshot.place import make_stage
from vml_jupyter.snapshot.plan import Total

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MARGIN_BYTES = 16 << 20


def require_free(target: Path) -> None:
    """Refuse a target that holds something.

    Raises:
        WouldOverwrite: It does.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise WouldOverwrite(f"{target} exists and is no folder", "Choose another place")
    if target.is_dir() and any(target.iterdir()):
        raise WouldOverwrite(f"{target} is not empty", "Choose a new folder, or empty this one")


def require_room(folder: Path, total: Total) -> None:
    """Refuse early what cannot fit; file systems that do not say how many files fit say 0.

    Raises:
        DiskFull: There is no room for so many bytes or files.
    """
    room = os.statvfs(folder)
    if total.room_bytes + _MARGIN_BYTES > room.f_bavail * room.f_frsize:
        free = room.f_bavail * room.f_frsize // 1_000_000
        raise DiskFull(
            f"the snapshot needs {total.room_bytes // 1_000_000} MB and {folder} has {free} MB left",
            "Free space there, or choose another place",
        )
    if room.f_files and total.nodes > room.f_favail:
        raise DiskFull(f"{folder} has no room for {total.nodes} files", "Choose another file system")


@contextmanager
def staging(target: Path) -> Iterator[int]:
    """Give the descriptor of a folder beside ``target`` that takes its name on success and vanishes on failure."""
    stage = target.with_name(f".vml-{secrets.token_hex(6)}")
    with ExitStack() as undo:
        root = make_stage(stage)
        undo.callback(os.close, root)
        undo.enter_context(marked(stage, root))
        try:
            yield root
            _give_name(stage, target)
        except BaseException:
            empty(root)
            stage.rmdir()
            raise


def _give_name(stage: Path, target: Path) -> None:
    try:
        stage.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise WouldOverwrite(
                f"{target} was made by somebody meanwhile", "Choose another place"
            ) from error
        raise


@contextmanager
def faults(target: Path) -> Iterator[None]:
    """Translate what the operating system says about the target."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"no room left for {target}", "Free space there, or choose another place"
            ) from error
        raise BadArea(f"{target} cannot be written: {error.strerror}", "Check its permissions") from error
