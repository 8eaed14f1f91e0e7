"""Look through a tree before a single byte of it is written: is it sound, and how much is it?

Trees come from colleagues, and perhaps from somebody who means harm. A name is one folder entry and
nothing else; no name occurs twice; numbers are such that the system takes them; a file's pieces are in the
store. Trees that occur in several places
are looked at once, so one that repeats itself a billion times costs no time, and its total shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from vml_jupyter.errors import Foreign
from vml_jupyter.repository import Node
from vml_jupyter.snapshot.descriptor import DEEPEST
from vml_jupyter.snapshot.findings import printable

_LONGEST_NAME = 255
_LONGEST_TARGET = 4095
_LONGEST_VALUE = 64 << 10
_ID_END = 2**32
_DEVICE_END = 2**64
_LIKELY_HOLES = 3
MOST_NODES = 10_000_000
"""Ten times what anybody was seen to capture; a few kB of trees that repeat themselves come to any number."""
_MANY_FILES = 100_000
_HINT = "The snapshot was not written by VML or restic; do not trust it"
_KINDS = frozenset(("file", "dir", "symlink", "dev", "chardev", "fifo", "socket", "irregular"))


class Source(Protocol):
    """What trees and their content are read from."""

    def tree(self, id: str) -> tuple[Node, ...]: ...

    def blob(self, id: str) -> bytes: ...

    def blob_size(self, id: str) -> int: ...


@dataclass(frozen=True)
class Total:
    """What lies in a tree and below it.

    ``room_bytes`` is what it takes on a disk, where holes take nothing; ``depth`` counts the folders on the
    longest way down.
    """

    files: int = 0
    bytes: int = 0
    room_bytes: int = 0
    nodes: int = 0
    depth: int = 0


def plan(source: Source, tree: str, stated_files: int = 0) -> Total:
    """Return the totals of a tree.

    Args:
        source: Where it lies.
        tree: Its id.
        stated_files: How many files its entry says that it has, 0 where nothing says so. More than twice as many, and
            more than a hundred thousand, are somebody's trick: who asked for it saw the smaller number.

    Raises:
        Foreign: A name or a node in it is not what a snapshot may hold.
        LogbookDamaged: A tree or a piece of a file is missing.
    """
    totals: dict[str, Total] = {}
    holes = _Holes(source)
    way = [tree]  # down to the tree that is looked at
    waiting: list[list[str]] = [_look(source.tree(tree))]
    while way:
        while waiting[-1] and waiting[-1][-1] in totals:
            waiting[-1].pop()
        if waiting[-1]:
            below = waiting[-1].pop()
            way.append(below)
            _require(len(way) <= DEEPEST, f"its folders lie more than {DEEPEST} deep")
            waiting.append(_look(source.tree(below)))
            continue
        id = way.pop()
        waiting.pop()
        totals[id] = _sum(source, source.tree(id), totals, holes)
    total = totals[tree]
    much = 2 * stated_files + _MANY_FILES
    _require(
        not stated_files or total.files <= much,
        f"it holds {total.files} files, and its entry says {stated_files}",
    )
    return total


def check(node: Node) -> None:
    """Look through a node whose name nobody is going to use: that of the area itself.

    Raises:
        Foreign: It is not what a snapshot may hold.
    """
    _check_numbers(node)
    _check_attributes(node)


def _look(nodes: tuple[Node, ...]) -> list[str]:
    """Return the trees below, in reverse; every node of the folder is what it may be."""
    names = [node.name_bytes for node in nodes]
    for name in names:
        unsafe = name in (b"", b".", b"..") or b"/" in name or b"\0" in name or len(name) > _LONGEST_NAME
        _require(not unsafe, f"a file in it is called {ascii(name[:80])[1:]}")
    _require(len(set(names)) == len(names), "two files in one folder have the same name")
    below: list[str] = []
    for node in nodes:
        _require(node.type in _KINDS, f"it holds a {printable(node.type[:80])}")
        _check_numbers(node)
        if node.extended_attributes:
            _check_attributes(node)
        if node.type == "dir":
            _require(node.subtree is not None, f"the folder {node.name} has no tree")
            below.append(node.subtree or "")
        elif node.type == "symlink":
            sound = 0 < len(node.target_bytes) <= _LONGEST_TARGET and b"\0" not in node.target_bytes
            _require(sound, f"the link {node.name} leads nowhere")
    below.reverse()
    return below


def _check_numbers(node: Node) -> None:
    """Refuse numbers that the operating system has no room for."""
    sound = 0 <= node.uid < _ID_END and 0 <= node.gid < _ID_END and 0 <= node.device < _DEVICE_END
    _require(sound, f"the owner or number of {node.name} cannot be")


def _check_attributes(node: Node) -> None:
    for attribute in node.extended_attributes or ():
        name, value = attribute.name, attribute.value or b""
        sound = 0 < len(name.encode()) <= _LONGEST_NAME and "\0" not in name and len(value) <= _LONGEST_VALUE
        _require(sound, f"an extended attribute of {node.name} cannot be")


class _Holes:
    """Which pieces are nothing but zeros, and take no room however often they occur.

    Only pieces that follow themselves in a file are looked at: that is what large holes look like.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, bool] = {}

    def size_bytes(self, content: list[str]) -> int:
        """Return the room that a file of these pieces takes."""
        repeated = {id for id, next_id in pairwise(content) if id == next_id} if len(content) > 1 else set()
        holes = {id for id in repeated if self._is_hole(id)}
        return sum(self._source.blob_size(id) for id in content if id not in holes)

    def _is_hole(self, id: str) -> bool:
        if id not in self._known:
            self._known[id] = not self._source.blob(id).strip(b"\0")
        return self._known[id]


def _sum(source: Source, nodes: tuple[Node, ...], totals: dict[str, Total], holes: _Holes) -> Total:
    files = size_bytes = room_bytes = depth = 0
    count = len(nodes)
    for node in nodes:
        if node.type == "dir" and node.subtree:
            below = totals[node.subtree]
            files, count, depth = files + below.files, count + below.nodes, max(depth, below.depth)
            size_bytes, room_bytes = size_bytes + below.bytes, room_bytes + below.room_bytes
        elif node.type == "file" and node.content:
            files += 1
            size = sum(map(source.blob_size, node.content))
            size_bytes += size
            room_bytes += size if len(node.content) < _LIKELY_HOLES else holes.size_bytes(node.content)
        elif node.type == "file":
            files += 1
    _require(count <= MOST_NODES, f"it holds {count} files and folders")
    return Total(files, size_bytes, room_bytes, count, depth + 1)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise Foreign(f"the snapshot cannot be restored: {what}", _HINT)
