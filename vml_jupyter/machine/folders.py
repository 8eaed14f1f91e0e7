"""The folders of machines: made, locked, listed, removed.

    <data>/machines/<id>/        see spec.py for what is inside
      making                     locked while the machine is being made
      lock                       locked while it is started, stopped or deleted

An id is checked before it becomes part of a path.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vml_jupyter.errors import MachineGone, NotFound
from vml_jupyter.machine import companion
from vml_jupyter.machine.runtime import runtime_folder

_ID = re.compile(r"[0-9a-z]{12}")
_YOUNG_S = 10.0
_TAIL_BYTES = 64 * 1024
_ESCAPES = re.compile(
    r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-_])|[^\n\t -~\u00a0-\U0010ffff]"
)


def folder_of(machines: Path, machine_id: str) -> Path:
    """Return a machine's folder, which need not exist.

    Raises:
        NotFound: The id is none.
    """
    if not _ID.fullmatch(machine_id):
        raise NotFound(f"there is no machine {machine_id[:40]!r}", "The list of machines shows their ids.")
    return machines / machine_id


@contextmanager
def new_folder(machines: Path, machine_id: str) -> Iterator[Path]:
    """Make a machine's folder for the time of a ``with``: kept when that succeeds, removed with all in it when not."""
    folder = folder_of(machines, machine_id)
    folder.mkdir(mode=0o700, parents=True)
    try:
        with _held(folder / "making"):
            yield folder
    except BaseException:
        remove_folder(folder)
        raise
    (folder / "making").unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from starting, stopping or deleting the same machine meanwhile.

    Raises:
        MachineGone: Its folder is not there.
    """
    if not folder.is_dir():
        raise MachineGone(f"the machine {folder.name} is not there", "It may have been deleted elsewhere.")
    with _held(folder / "lock"):
        yield


@contextmanager
def locked_if_free(folder: Path) -> Iterator[bool]:
    """Do as locked() where nobody works on the machine, and tell whether that is so."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def remove_folder(folder: Path) -> None:
    """End what runs beside a machine and remove its folder and sockets; nothing happens where there is none."""
    if folder.is_dir():
        companion.stop_all(folder)
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(runtime_folder() / folder.name, ignore_errors=True)


def all_folders(machines: Path) -> list[Path]:
    """Return the folders of machines, in the order of their ids."""
    if not machines.is_dir():
        return []
    return sorted(folder for folder in machines.iterdir() if _ID.fullmatch(folder.name) and folder.is_dir())


def is_left_over(folder: Path) -> bool:
    """Tell whether the making of a machine broke off here: nothing defined, and nobody at it."""
    # A folder exists for a moment before its maker holds the lock.
    if (folder / "machine.json").exists() or time.time() - folder.stat().st_mtime < _YOUNG_S:
        return False
    with suppress(OSError), (folder / "making").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def console_tail(console: Path, lines: int) -> str:
    """Return the last lines of a serial console as plain text: it is the guest's, and must not steer a terminal."""
    try:
        with console.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join([line.rstrip() for line in plain.splitlines() if line.strip()][-lines:])


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
