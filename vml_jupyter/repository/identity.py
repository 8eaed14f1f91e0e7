"""Who writes: the names that key files, locks and snapshots carry for people to recognise, and who still lives."""

from __future__ import annotations

import getpass
import hashlib
import os
from contextlib import suppress
from pathlib import Path


def hostname() -> str:
    """Return this computer's name."""
    return os.uname().nodename


def username() -> str:
    """Return the user's name, or '' where nobody gave this user id one (as in many containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def process_space() -> str:
    """Return twelve hex digits that name the set of processes among which a process id means this one.

    Containers may share a computer's name and a folder, but number their processes for themselves.
    """
    names = [hostname()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        names.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


def process_exists(pid: int) -> bool:
    """Tell whether this computer has a process of that id, whoever's it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
