"""A node of a restic tree: one file, folder, link or device, as JSON.

    tree blob = {"nodes": [node, node, ...]}\n      sorted by name, compact JSON

Names are escaped the way Go's ``strconv.Quote`` does (without the quotes), because a file name is
bytes and JSON is not: ``name_bytes`` undoes it. Source of the format: restic's ``doc/design.rst``.
"""

from __future__ import annotations

import msgspec


class ExtendedAttribute(msgspec.Struct, frozen=True, kw_only=True):
    """An extended attribute; ``value`` is base64 in JSON."""

    name: str
    value: bytes | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node. Times are RFC 3339 with nanoseconds; ``mode`` holds Go's file mode bits.

    ``content`` lists the data blob ids (hex) of a file in order, ``subtree`` the tree blob id of a folder.
    """

    name: str
    type: str
    mode: int = 0
    mtime: str = ""
    atime: str = ""
    ctime: str = ""
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    inode: int = 0
    device_id: int = 0
    size: int = 0
    links: int = 0
    linktarget: str = ""
    linktarget_raw: bytes | None = None
    extended_attributes: list[ExtendedAttribute] | None = None
    device: int = 0
    content: list[str] | None = None
    subtree: str | None = None
