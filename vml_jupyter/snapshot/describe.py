"""What ``stat`` says of a file, as a node of a tree.

    os.stat_result + name (+ extended attributes)  ->  Node without content or subtree

Access times are recorded as the times of last change, as restic does, so that reading changes nothing.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from functools import lru_cache
from typing import Any

import msgspec

from vml_jupyter.repository import ExtendedAttribute, Node
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.gonames import quote_name
from vml_jupyter.repository.gotime import format_time
from vml_jupyter.snapshot.descriptor import Descriptor
from vml_jupyter.snapshot.findings import Item, printable

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFBLK: "dev",
    stat.S_IFCHR: "chardev",
    stat.S_IFIFO: "fifo",
}
_LINKED = ("file", "symlink", "dev", "chardev")
# The file system has none, or what was listed is gone since; all else is told.
_NO_ATTRIBUTES = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENODATA, errno.ENOENT)
_NONE: tuple[None, str] = (None, "")
_LONG_AGO = format_time(0)


def describe(
    name: bytes, status: os.stat_result, attributes: list[ExtendedAttribute] | None, **rest: Any
) -> Node:
    """Return the node of a thing called ``name``; ``rest`` are the fields that ``stat`` does not know."""
    kind, mode = _kind(status.st_mode)
    mtime = format_time(status.st_mtime_ns)
    return Node(
        name=quote_name(name),
        type=kind,
        mode=mode,
        mtime=mtime,
        atime=mtime,
        ctime=mtime if status.st_ctime_ns == status.st_mtime_ns else format_time(status.st_ctime_ns),
        uid=status.st_uid,
        gid=status.st_gid,
        user=_user(status.st_uid),
        group=_group(status.st_gid),
        inode=status.st_ino,
        device_id=status.st_dev if status.st_nlink > 1 and kind in _LINKED else 0,
        links=status.st_nlink if kind in _LINKED else 0,
        device=status.st_rdev if kind in ("dev", "chardev") else 0,
        extended_attributes=attributes,
        **rest,
    )


def describe_special(folder: int, item: Item) -> tuple[Node, str]:
    """Return the node of a link, pipe or device, and what of its attributes could not be read; none is opened.

    Args:
        folder: The descriptor of the folder that it is in.
        item: What it is.

    Raises:
        OSError: It is gone, or its link cannot be read.
    """
    name = os.fsencode(item.name)
    attributes, lacking = attributes_of(f"/proc/self/fd/{folder}/{item.name}")
    if not stat.S_ISLNK(item.status.st_mode):
        return describe(name, item.status, attributes), lacking
    target = os.fsencode(os.readlink(item.name, dir_fd=folder))
    try:
        return describe(name, item.status, attributes, linktarget=target.decode()), lacking
    except UnicodeDecodeError:
        lossy = target.decode("utf-8", "replace")
        return describe(name, item.status, attributes, linktarget=lossy, linktarget_raw=target), lacking


def is_unchanged(node: Node, status: os.stat_result) -> bool:
    """Tell whether ``node`` still describes the file: everything that can be changed moves its ctime."""
    return (
        node.inode == status.st_ino
        and (node.size == status.st_size or node.type != "file")
        and node.ctime == format_time(status.st_ctime_ns)
        and node.mtime == format_time(status.st_mtime_ns)
    )


def attributes_of(file: int | str) -> tuple[list[ExtendedAttribute] | None, str]:
    """Return the extended attributes, None where there are none, and which could not be read and why, if any.

    Args:
        file: A descriptor, or a path whose last part is not followed.
    """
    follow = isinstance(file, int)
    try:
        names = os.listxattr(file, follow_symlinks=follow)
    except OSError as error:
        return None, "" if error.errno in _NO_ATTRIBUTES else f"its extended attributes: {error.strerror}"
    if not names:
        return _NONE
    found: list[ExtendedAttribute] = []
    lacking: list[str] = []
    for name in names:
        try:
            value = os.getxattr(file, name, follow_symlinks=follow)
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                lacking.append(f"its attribute {printable(name)}: {error.strerror}")
        else:
            found.append(ExtendedAttribute(name=name, value=value))
    return found or None, ", ".join(lacking)


def attributes_of_folder(folder: Descriptor) -> tuple[list[ExtendedAttribute] | None, str]:
    """Return what ``attributes_of`` does of a folder that was open; nothing where it is gone since."""
    try:
        return attributes_of(folder.number)
    except OSError as error:
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)
        return None, "" if gone else f"its extended attributes: {error.strerror}"


def to_look_at_again(node: Node) -> Node:
    """Return a node that no later snapshot takes for unchanged, by a time of last change that no file has."""
    return msgspec.structs.replace(node, ctime=_LONG_AGO)


@lru_cache(maxsize=1024)
def _kind(st_mode: int) -> tuple[str, int]:
    """Return a node's type and mode."""
    return _TYPES[stat.S_IFMT(st_mode)], from_stat(st_mode)


@lru_cache(maxsize=1024)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


@lru_cache(maxsize=1024)
def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""
