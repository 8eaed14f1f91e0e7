"""All that can be said of a tree of files, so that two can be compared attribute by attribute."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

Seen = dict[bytes, dict[str, Any]]


def look(folder: Path) -> Seen:
    """Return what is below ``folder``, by path; names of one inode share the first of them as ``same_as``."""
    found: Seen = {}
    first: dict[int, bytes] = {}
    _look(os.open(folder, os.O_RDONLY), b"", found, first)
    return found


def _look(descriptor: int, above: bytes, found: Seen, first: dict[int, bytes]) -> None:
    try:
        for name in sorted(map(os.fsencode, os.listdir(descriptor))):
            path = above + name
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            found[path] = _attributes(descriptor, name, status)
            if stat.S_ISDIR(status.st_mode):
                below = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor)
                _look(below, path + b"/", found, first)
            elif status.st_nlink > 1:
                found[path]["same_as"] = first.setdefault(status.st_ino, path)
    finally:
        os.close(descriptor)


def _attributes(descriptor: int, name: bytes, status: os.stat_result) -> dict[str, Any]:
    seen: dict[str, Any] = {
        "type": stat.S_IFMT(status.st_mode),
        "mode": stat.S_IMODE(status.st_mode),
        "owner": (status.st_uid, status.st_gid),
        "mtime": status.st_mtime_ns,
    }
    proc = b"/proc/self/fd/%d/%s" % (descriptor, name)
    seen["xattr"] = {
        key: os.getxattr(proc, key, follow_symlinks=False)
        for key in os.listxattr(proc, follow_symlinks=False)
    }
    if stat.S_ISREG(status.st_mode):
        seen["size"] = status.st_size
        with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=descriptor), "rb") as file:
            seen["content"] = hashlib.sha256(file.read()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        seen["target"] = os.readlink(name, dir_fd=descriptor)
    elif stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode):
        seen["device"] = status.st_rdev
    return seen


def differences(one: Seen, other: Seen) -> list[str]:
    """Say each attribute that differs, one a line."""
    told = [f"{path!r} is in one only" for path in sorted(one.keys() ^ other.keys())]
    for path in sorted(one.keys() & other.keys()):
        for key in sorted(one[path].keys() | other[path].keys()):
            mine, theirs = one[path].get(key), other[path].get(key)
            if mine != theirs:
                told.append(f"{path!r} {key}: {mine!r} != {theirs!r}")
    return told
