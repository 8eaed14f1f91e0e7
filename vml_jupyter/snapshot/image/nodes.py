"""From a node of a tree to what a file system says of a file: name, mode, times, device, link target.

    Node.mode  (Go)      dir 31 | symlink 27 | device 26 | fifo 25 | socket 24 | setuid 23 | setgid 22 | sticky 20 | rwx
    POSIX st_mode        type from Node.type | setuid 0o4000 | setgid 0o2000 | sticky 0o1000 | rwx 0o777

Trees come from elsewhere, so everything is checked here before it becomes a record on a disk.
"""

from __future__ import annotations

import os
import re
import stat
from datetime import datetime, timedelta
from functools import lru_cache

from vml_jupyter.errors import Foreign
from vml_jupyter.repository.names import unquote
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
_SPECIAL = ((1 << 23, stat.S_ISUID), (1 << 22, stat.S_ISGID), (1 << 20, stat.S_ISVTX))
_RFC_3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-]\d\d):(\d\d))")
_UNSET = ("", "0001-01-01T00:00:00Z")
_EPOCH = bytes((70, 1, 1, 0, 0, 0, 0))
_FIRST, _LAST = bytes((0, 1, 1, 0, 0, 0, 0)), bytes((255, 12, 31, 23, 59, 59, 0))


def file_name(node: Node) -> bytes:
    """Return the name of ``node`` as bytes.

    Raises:
        Foreign: No file system could hold it, or it would lead out of its folder.
    """
    name = unquote(node.name)
    if not 0 < len(name) <= MAX_NAME_BYTES or b"/" in name or b"\0" in name or name == b"." or name == b"..":
        raise Foreign(f"a tree names a file {node.name[:80]!r}, which is no file name")
    return name


@lru_cache(maxsize=4096)
def posix_mode(kind: str, mode: int) -> int:
    """Return ``st_mode`` for a node type and Go's mode bits.

    Raises:
        Foreign: No such type.
    """
    try:
        result = _TYPES[kind] | (mode & 0o777)
    except KeyError:
        raise Foreign(f"a tree holds something of the unknown type {kind[:40]!r}") from None
    for theirs, ours in _SPECIAL:
        if mode & theirs:
            result |= ours
    return result


@lru_cache(maxsize=1 << 16)
def stamp(when: str) -> bytes:
    """Return an RFC 3339 time as the seven bytes of ECMA-119 9.1.5, in UTC.

    They count years from 1900 in one byte and no fractions: times outside 1900-2155 become the nearest
    that fits, and a time that was never set becomes 1970-01-01.

    Raises:
        Foreign: It is no such time.
    """
    if when in _UNSET:
        return _EPOCH
    match = _RFC_3339.fullmatch(when)
    try:
        if match is None:
            raise ValueError("not RFC 3339")
        *fields, hours, minutes = match.groups()
        moment = datetime(*map(int, fields))  # type: ignore[arg-type]  # noqa: DTZ001
        if hours:
            offset_minutes = abs(int(hours)) * 60 + int(minutes)
            moment -= timedelta(minutes=-offset_minutes if hours[0] == "-" else offset_minutes)
    except (ValueError, OverflowError) as error:
        raise Foreign(f"a tree holds the time {when[:40]!r}, which is none ({error})") from error
    return _seven(moment)


def _seven(moment: datetime) -> bytes:
    if moment.year < 1900:
        return _FIRST
    if moment.year > 2155:
        return _LAST
    return bytes(
        (moment.year - 1900, moment.month, moment.day, moment.hour, moment.minute, moment.second, 0)
    )


def link_target(node: Node) -> bytes:
    """Return where a symbolic link points, as bytes.

    Raises:
        Foreign: It is empty, longer than a path may be, or holds a zero byte.
    """
    try:
        target = node.linktarget.encode() if node.linktarget_raw is None else node.linktarget_raw
    except UnicodeEncodeError as error:
        raise Foreign(f"the link {node.name[:80]!r} has a target that is no text") from error
    if not 0 < len(target) <= MAX_TARGET_BYTES or b"\0" in target:
        raise Foreign(f"the link {node.name[:80]!r} has a target that is no path")
    return target


def device_numbers(node: Node) -> tuple[int, int]:
    """Return major and minor of a device node.

    Raises:
        Foreign: The number is out of range.
    """
    if not 0 <= node.device < 1 << 64:
        raise Foreign(f"the device {node.name[:80]!r} has a number that is none")
    return os.major(node.device) & 0xFFFFFFFF, os.minor(node.device) & 0xFFFFFFFF
