"""What a restore that was killed leaves beside its target, and how the next one takes it away.

    <parent>/.vml-<id>/           the staging folder; locked (flock) by every process that writes into it
    <parent>/.vml-<id>.restoring  says that VML made it: "vml-restoring <computer> <device> <inode>"

A folder goes only if such a file beside it names it by device and inode, both are this user's, and nobody holds
its lock, which the kernel drops when the last of its processes is gone. A folder of the user's own that looks alike
stays, and so does what another computer made: its locks may not be seen from here. Where folders cannot be
locked, nothing is marked, and so nothing is taken for left over.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vml_jupyter.repository.identity import hostname

_MARK = ".restoring"
_NAME = re.compile(r"\.vml-[0-9a-f]{12}\.restoring")
_TEXT = re.compile(rb"vml-restoring ([0-9a-f]{12}) (\d{1,20}) (\d{1,20})\n")
_MOST_BYTES = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def marked(stage: Path, descriptor: int) -> Iterator[None]:
    """Mark a staging folder as one that is left over once nobody has ``descriptor`` open any more."""
    mark = stage.with_name(stage.name + _MARK)
    is_marked = False
    with suppress(OSError):  # without a mark it works as well
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write(mark, os.fstat(descriptor))
        is_marked = True
    try:
        yield
    finally:
        if is_marked:
            with suppress(OSError):
                mark.unlink()


def _write(mark: Path, status: os.stat_result) -> None:
    text = f"vml-restoring {_computer()} {status.st_dev} {status.st_ino}\n"
    descriptor = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> int:
    """Remove what killed restores left in ``folder``, and return how many staging folders that were.

    What cannot be removed stays, and hinders nobody.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        marks = [folder / entry.name for entry in entries if _NAME.fullmatch(entry.name)]
        return sum(map(_sweep, marks))
    return 0


def _sweep(mark: Path) -> bool:
    stage = mark.with_name(mark.name.removesuffix(_MARK))
    with suppress(OSError):
        identity = _marked_identity(mark)
        if identity is None:
            return False
        try:
            descriptor = os.open(stage, _FOLDER)
        except FileNotFoundError:  # it was killed between the two: the folder has its name already
            mark.unlink()
            return False
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != identity or status.st_uid != os.geteuid():
                return False
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            empty(descriptor)
        finally:
            os.close(descriptor)
        stage.rmdir()
        mark.unlink()
        return True
    return False


def _marked_identity(mark: Path) -> tuple[int, int] | None:
    """Return device and inode of the folder that a mark is for; None where it is not ours to read."""
    descriptor = os.open(mark, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        said = _TEXT.fullmatch(os.read(descriptor, _MOST_BYTES))
    finally:
        os.close(descriptor)
    if said is None or said[1].decode() != _computer():
        return None
    return int(said[2]), int(said[3])


def _computer() -> str:
    """Return twelve hex digits that stay the same on this computer when it is started anew."""
    names = [hostname()]
    with suppress(OSError):
        names.append(Path("/etc/machine-id").read_text("ascii").strip())
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def empty(descriptor: int) -> None:
    """Remove everything in an open folder, however deep, folders without write permission included.

    One folder is open at a time and ``..`` leads up again: nobody but us moves anything in there.
    """
    here = os.dup(descriptor)
    names: list[bytes] = []
    try:
        while True:
            below = _remove_files(here)
            if below is None and not names:
                return
            if below is not None:
                os.chmod(below, stat.S_IRWXU, dir_fd=here)
            step = os.open(b".." if below is None else below, _FOLDER, dir_fd=here)
            os.close(here)
            here = step
            if below is None:
                os.rmdir(names.pop(), dir_fd=here)
            else:
                names.append(below)
    finally:
        os.close(here)


def _remove_files(descriptor: int) -> bytes | None:
    """Remove all but the folders in a folder, and return one of those."""
    os.fchmod(descriptor, stat.S_IRWXU)
    with os.scandir(descriptor) as entries:
        found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=descriptor)
    return next((name for name, is_folder in found if is_folder), None)
