r"""Which folders and files of a working area lie in another file system, or elsewhere in this one, and mounted.

    /proc/self/mountinfo   36 35 98:0 /root /home/u/area/data rw,... - ext4 ...     ->  {"data/"}

A device number alone does not tell: what is mounted with ``--bind`` has that of its origin. A file may be mounted
likewise, and nothing here tells it from a folder. Source: proc(5).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTINFO = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4
_OCTAL = re.compile(rb"\\([0-7]{3})")


def mounts_below(area: Path) -> frozenset[str]:
    """Return the mount points below ``area``, relative to it, each with ``/`` at its end.

    Args:
        area: A folder, with no link on the way to it.
    """
    try:
        lines = _MOUNTINFO.read_bytes().splitlines()
    except OSError:
        return frozenset()  # no such file here: device numbers must do
    top = os.fsencode(area).rstrip(b"/") + b"/"
    points = (_OCTAL.sub(_unescape, line.split(b" ")[_MOUNT_POINT]) for line in lines if line)
    return frozenset(
        os.fsdecode(point[len(top) :] + b"/") for point in points if point.startswith(top) and point != top
    )


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])
