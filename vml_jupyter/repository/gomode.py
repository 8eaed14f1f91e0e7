"""File modes in JSON: Go's ``os.FileMode``, which keeps the permissions and moves everything else.

    0o100644 (stat)  <->  0o644                  regular file: no bit
    0o040755 (stat)  <->  1<<31 | 0o755          folder
    0o104755 (stat)  <->  1<<23 | 0o755          setuid

Source: the constants of Go's package ``io/fs``.
"""

from __future__ import annotations

import stat

_TYPES = {
    stat.S_IFREG: 0,
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_BITS = ((stat.S_ISUID, 1 << 23), (stat.S_ISGID, 1 << 22), (stat.S_ISVTX, 1 << 20))
_FORMATS = {go: unix for unix, go in _TYPES.items()}
_TYPE_MASK = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21


def from_stat(st_mode: int) -> int:
    """Return Go's mode for what ``stat`` gives."""
    mode = st_mode & 0o777 | _TYPES[stat.S_IFMT(st_mode)]
    if st_mode & 0o7000:
        for unix, go in _BITS:
            if st_mode & unix:
                mode |= go
    return mode


def to_stat(mode: int) -> int:
    """Return what ``stat`` would give; an unknown type becomes 0."""
    st_mode = mode & 0o777 | _FORMATS.get(mode & _TYPE_MASK, 0)
    for unix, go in _BITS:
        if mode & go:
            st_mode |= unix
    return st_mode
