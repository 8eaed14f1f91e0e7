"""Who writes: the names that key files, locks and snapshots carry for people to recognise."""

from __future__ import annotations

import getpass
import os


def hostname() -> str:
    """Return this computer's name."""
    return os.uname().nodename


def username() -> str:
    """Return the user's name, or '' where nobody gave this user id one (as in many containers)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
