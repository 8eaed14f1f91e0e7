"""From a node of a tree to what a file system says of a file: name, mode, times, device, link target.

    2010-11-17T13:20:00.5Z  ->  110 11 17 13 20 0 0        year - 1900, month, day, hour, minute, second, UTC

Trees come from elsewhere, so everything is checked here before it becomes a record on a disk.
"""

from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta
from functools import lru_cache

from vml_jupyter.errors import Foreign
from vml_jupyter.repository.gomode import to_stat
from vml_jupyter.repository.gotime import parse_time
from vml_jupyter.repository.node import Node

MAX_NAME_BYTES = 255
MAX_TARGET_BYTES = 4095

_TYPES = {
    "file": stat.S_IFREG,
    "dir": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
    "dev": stat.S_IFBLK,
    "chardev": stat.S_IFCHR,
    "fifo": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
}
_UNSET = ("", "0001-01-01T00:00:00Z")
_EPOCH = datetime(1970, 1, 1)  # without a zone: everything here is UTC
_FIRST_S, _LAST_S = -2_208_988_800, 5_869_583_999


def file_name(node: Node) -> bytes:
    """Return the name of ``node`` as bytes.

    Raises:
        Foreign: No file system could hold it, or it would lead out of its folder.
    """
    name = node.name_bytes
    if not 0 < len(name) <= MAX_NAME_BYTES or b"/" in name or b"\0" in name or name == b"." or name == b"..":
        raise Foreign(f"a tree names a file {node.name[:80]!a}, which is no file name")
    return name


@lru_cache(maxsize=4096)
def posix_mode(kind: str, mode: int) -> int:
    """Return ``st_mode`` for a node type and Go's mode bits; the type counts, not what ``mode`` says of it.

    Raises:
        Foreign: No such type.
    """
    if kind not in _TYPES:
        raise Foreign(f"a tree holds something of the unknown type {kind[:40]!a}")
    return _TYPES[kind] | stat.S_IMODE(to_stat(mode))


def stamp(when: str) -> bytes:
    """Return an RFC 3339 time as the seven bytes of ECMA-119 9.1.5, in UTC.

    They count years from 1900 in one byte and no fractions: times outside 1900-2155 become the nearest
    that fits, and a time that was never set becomes 1970-01-01.

    Raises:
        Foreign: It is no such time.
    """
    rest = when[19:]
    if rest == "Z" or (rest[:1] == "." and rest[-1:] == "Z" and rest[1:-1].isdecimal()):
        day = _day(when[:11])  # days and times of day repeat where whole times do not
        if day:
            return day + _time_of_day(when[11:19])
    return _stamp(when)


@lru_cache(maxsize=4096)
def _day(day: str) -> bytes:
    """Return the first three bytes of a stamp for ``2010-11-17T``; nothing where the year does not fit."""
    return _stamp(day + "00:00:00Z")[:3] if "1900" <= day[:4] <= "2155" else b""


@lru_cache(maxsize=86_400)
def _time_of_day(time: str) -> bytes:
    seven = _stamp(f"1970-01-01T{time}Z")
    if seven[:3] != _stamp("")[:3]:
        raise Foreign(f"a tree holds the time of day {time[:40]!a}, which is none")
    return seven[3:]


@lru_cache(maxsize=4096)
def _stamp(when: str) -> bytes:
    try:
        seconds = 0 if when in _UNSET else parse_time(when) // 1_000_000_000
    except ValueError as error:
        raise Foreign(f"a tree holds the time {when[:40]!a}, which is none") from error
    at = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST_S), _LAST_S))
    return bytes((at.year - 1900, at.month, at.day, at.hour, at.minute, at.second, 0))


def link_target(node: Node) -> bytes:
    """Return where a symbolic link points, as bytes.

    Raises:
        Foreign: It is empty, longer than a path may be, or holds a zero byte.
    """
    try:
        target = node.target_bytes
    except UnicodeEncodeError as error:
        raise Foreign(f"the link {node.name[:80]!a} has a target that is no text") from error
    if not 0 < len(target) <= MAX_TARGET_BYTES or b"\0" in target:
        raise Foreign(f"the link {node.name[:80]!a} has a target that is no path")
    return target


def device_numbers(node: Node) -> tuple[int, int]:
    """Return major and minor of a device node.

    Raises:
        Foreign: The number is out of range.
    """
    if not 0 <= node.device < 1 << 64:
        raise Foreign(f"the device {node.name[:80]!a} has a number that is none")
    return os.major(node.device), os.minor(node.device)
