"""How many machines may run at once, and in how much memory together.

    <data>/machines.lock                held while somebody counts, and until his machine counts
    <data>/machines/<id>/claim          MiB that a machine being made is going to take

    <data>/warm/wanted                  its time is when somebody last lacked room while a warm state was made

Machines count while their processor is there, and while they are being made. One that is being made to be kept warm
gives way to one that somebody waits for. Locks and marks of a process that is killed do not count: the kernel lets go
of its locks.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vml_jupyter.errors import LimitReached
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Host, taken_memory
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.model import Shape

_SHARE_OF_MEMORY = 0.8
_GIVE_WAY_S = 30.0


@contextmanager
def admitted(settings: Settings, host: Host, machine_id: str, shape: Shape) -> Iterator[None]:
    """Let one more machine start in the ``with``; others that want to start wait until it has.

    Raises:
        LimitReached: Too many run, or too much memory is theirs.
    """
    with (settings.data / "machines.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            _require_room(settings, host, machine_id, shape)
        except LimitReached:
            if not _has_making_end(settings, host):
                raise
            _require_room(settings, host, machine_id, shape)
        yield


def claim(settings: Settings, host: Host, folder: Path, shape: Shape) -> None:
    """Count a machine from now on whose making has begun.

    Raises:
        LimitReached: As for admitted().
    """
    with admitted(settings, host, folder.name, shape):
        (folder / "claim").write_text(f"{shape.memory_mib}\n", "ascii")


def making_gives_way(settings: Settings, since: float) -> bool:
    """Tell whether somebody has lacked room since that time, in seconds since 1970."""
    try:
        return (settings.warm / "wanted").stat().st_mtime > since
    except OSError:
        return False


def _has_making_end(settings: Settings, host: Host) -> bool:
    """Have the making of a warm state give way, and wait for it; tell whether there was one."""
    making = settings.warm / "making"
    if host.folders == making or not _claims(making):
        return False
    (settings.warm / "wanted").touch()
    return wait_until(lambda: not _claims(making), _GIVE_WAY_S)


def memory_limit_mib(settings: Settings) -> int:
    """Return how much memory machines may have together; four fifths of this computer's where nothing is set."""
    if settings.machines_memory_mib is not None:
        return settings.machines_memory_mib
    return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE_OF_MEMORY) >> 20


def _require_room(settings: Settings, host: Host, machine_id: str, shape: Shape) -> None:
    taken = {name: mib for name, mib in _taken(settings, host).items() if name != machine_id}
    suspend = "Suspend, stop or delete one (vml machines lists them)"
    if settings.machines_max and len(taken) >= settings.machines_max:
        raise LimitReached(
            f"{len(taken)} machines run, and machines_max allows {settings.machines_max}",
            f"{suspend}, or raise machines_max in the settings.",
        )
    allowed, used = memory_limit_mib(settings), sum(taken.values())
    chosen = settings.machines_memory_mib is not None
    if allowed and used + shape.memory_mib > allowed and (taken or chosen):  # a small computer still runs one
        raise LimitReached(
            f"the machines that run have {used} MiB of memory, this one wants {shape.memory_mib}, "
            f"and {allowed} are allowed together",
            f"{suspend}, give this one less memory, or raise machines_memory_mib in the settings.",
        )


def _taken(settings: Settings, host: Host) -> dict[str, int]:
    """Return the MiB of each machine that runs or is being made, by its id."""
    return {**_claims(settings.machines), **_claims(settings.warm / "making"), **taken_memory(host)}


def _claims(machines: Path) -> dict[str, int]:
    found = {}
    for file in machines.glob("*/claim"):
        if _is_locked(file.with_name("making")):
            with suppress(OSError, ValueError):
                found[file.parent.name] = int(file.read_text("ascii"))
    return found


def _is_locked(file: Path) -> bool:
    try:
        with file.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
