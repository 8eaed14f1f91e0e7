r"""A node of a restic tree: one file, folder, link or device, as JSON.

    tree blob = {"nodes": [node, node, ...]}\n      sorted by name, compact JSON

Names are escaped the way Go's ``strconv.Quote`` does (without the quotes), because a file name is
bytes and JSON is not: ``name_bytes`` undoes it. Source of the format: restic's ``doc/design.rst``.

    b'a"b\xff'  --quote_name-->  a\"b\xff  --JSON-->  "a\\\"b\\xff"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from vml_jupyter.parsing import Parser
from vml_jupyter.repository import gomode
from vml_jupyter.repository.gonames import quote_name, unquote_name
from vml_jupyter.repository.gotime import parse_time

# Of a name of one letter, half a gigabyte of JSON would hold a hundred million.
BlobId = Annotated[str, Meta(min_length=64, max_length=64)]


class ExtendedAttribute(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An extended attribute; ``value`` is base64 in JSON."""

    name: str
    value: bytes | None = None


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
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
    content: list[BlobId] | None = None
    subtree: str | None = None

    @property
    def name_bytes(self) -> bytes:
        """Return the name as the file system has it.

        Raises:
            Foreign: The escapes in the name are not Go's.
        """
        return unquote_name(self.name)

    @property
    def target_bytes(self) -> bytes:
        """Return where a symbolic link points, as the file system has it."""
        return self.linktarget_raw if self.linktarget_raw is not None else self.linktarget.encode()

    @property
    def st_mode(self) -> int:
        """Return type and permissions the way ``stat`` gives them."""
        return gomode.to_stat(self.mode)

    @property
    def mtime_ns(self) -> int:
        """Return the time of last change in nanoseconds since 1970, 0 where the node has none.

        Raises:
            Foreign: The time is not RFC 3339.
        """
        return parse_time(self.mtime) if self.mtime else 0

    @property
    def atime_ns(self) -> int:
        """Return the time of last access as ``mtime_ns`` returns that of last change."""
        return parse_time(self.atime) if self.atime else 0


class _Tree(msgspec.Struct, frozen=True):
    nodes: list[Node] | None = None


_MOST_OBJECTS = 4_000_000

_encoder = msgspec.json.Encoder()
_parser = Parser(_Tree)


def encode_tree(nodes: Sequence[Node]) -> bytes:
    """Return the tree blob of ``nodes``, sorted as every reader of the format expects."""
    return join_tree((node.name_bytes, encode_node(node)) for node in nodes)


def encode_node(node: Node) -> bytes:
    """Return a node as it stands in a tree blob."""
    return _encoder.encode(node)


def join_tree(nodes: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the tree blob of nodes that are encoded already, each with the name that the file system has."""
    return b'{"nodes":[%b]}\n' % b",".join(json for _, json in sorted(nodes))


def require_bounded(raw: bytes | memoryview) -> None:
    """Refuse a tree blob of more things than any folder has, before a single one takes memory.

    Raises:
        msgspec.ValidationError: It is such.
    """
    if len(raw) > _MOST_OBJECTS and bytes(raw).count(b"{") > _MOST_OBJECTS:
        raise msgspec.ValidationError("it holds too many things")


def decode_tree(raw: bytes) -> tuple[Node, ...]:
    """Return the nodes of a tree blob.

    Raises:
        msgspec.DecodeError: The bytes are no tree, or one that no folder gives.
    """
    require_bounded(raw)
    return tuple(_parser.parse(raw).nodes or ())


__all__ = [
    "ExtendedAttribute",
    "Node",
    "decode_tree",
    "encode_node",
    "encode_tree",
    "join_tree",
    "quote_name",
    "unquote_name",
]
