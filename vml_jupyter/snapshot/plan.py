"""Look through a tree before a single byte of it is written: is it sound, and how much is it?

Trees come from colleagues, and perhaps from somebody who means harm. A name is one folder entry and
nothing else; no name occurs twice; a file's pieces are in the store. Trees that occur in several places
are looked at once, so one that repeats itself a billion times costs no time, and its total shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vml_jupyter.errors import Foreign
from vml_jupyter.repository import Node
from vml_jupyter.snapshot.walk import printable

DEEPEST = 200
_HINT = "The snapshot was not written by VML or restic; do not trust it"
_KINDS = frozenset(("file", "dir", "symlink", "dev", "chardev", "fifo", "socket", "irregular"))


class Source(Protocol):
    """What trees and their content are read from."""

    def tree(self, id: str) -> tuple[Node, ...]: ...

    def blob(self, id: str) -> bytes: ...

    def blob_size(self, id: str) -> int: ...


@dataclass(frozen=True)
class Total:
    """What lies in a tree and below it; ``depth`` counts the folders on the longest way down."""

    files: int = 0
    bytes: int = 0
    nodes: int = 0
    depth: int = 0


def plan(source: Source, tree: str) -> Total:
    """Return the totals of a tree.

    Raises:
        Foreign: A name or a node in it is not what a snapshot may hold.
        LogbookDamaged: A tree or a piece of a file is missing.
    """
    totals: dict[str, Total] = {}
    stack = [tree]
    while stack:
        nodes = source.tree(stack[-1])
        missing = [] if stack[-1] in totals else [id for id in _subtrees(nodes) if id not in totals]
        if missing:
            stack.extend(missing)
            _require(len(stack) < 1_000_000, "it has too many folders")
            continue
        id = stack.pop()
        if id not in totals:
            _check_names(nodes)
            totals[id] = _sum(source, nodes, totals)
            _require(totals[id].depth <= DEEPEST, f"its folders lie more than {DEEPEST} deep")
    return totals[tree]


def _subtrees(nodes: tuple[Node, ...]) -> list[str]:
    for node in nodes:
        _require(node.type in _KINDS, f"it holds a {printable(node.type)}")
        _require(node.type != "dir" or node.subtree is not None, f"the folder {node.name} has no tree")
    return [node.subtree for node in nodes if node.type == "dir" and node.subtree]


def _check_names(nodes: tuple[Node, ...]) -> None:
    names = [node.name_bytes for node in nodes]
    for name in names:
        unsafe = name in (b"", b".", b"..") or b"/" in name or b"\0" in name
        _require(not unsafe, f"a file in it is called {ascii(name)[1:]}")
    _require(len(set(names)) == len(names), "two files in one folder have the same name")


def _sum(source: Source, nodes: tuple[Node, ...], totals: dict[str, Total]) -> Total:
    files = size_bytes = depth = 0
    count = len(nodes)
    for node in nodes:
        if node.type == "dir" and node.subtree:
            below = totals[node.subtree]
            files, size_bytes, count = files + below.files, size_bytes + below.bytes, count + below.nodes
            depth = max(depth, below.depth)
        elif node.type == "file":
            files += 1
            size_bytes += sum(map(source.blob_size, node.content or ()))
        elif node.type == "symlink":
            _require(
                bool(node.target_bytes) and b"\0" not in node.target_bytes,
                f"the link {node.name} leads nowhere",
            )
    return Total(files, size_bytes, count, depth + 1)


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise Foreign(f"the snapshot cannot be restored: {what}", _HINT)
