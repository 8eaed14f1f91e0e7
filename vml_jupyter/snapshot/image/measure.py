"""Count what a tree holds before anything is built from it, so that a hostile one costs nothing.

    tree id -> Tally(nodes, folders, chunks, height)

A tree that is used in many places is read once and counted as often as it is used: a few trees that
hold each other twice, thirty deep, stand for a billion files and are refused after thirty reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vml_jupyter.errors import Foreign
from vml_jupyter.repository.node import Node
from vml_jupyter.snapshot.image.source import Source

MAX_NODES = 5_000_000
MAX_CHUNKS = 20_000_000
MAX_DEPTH = 2048
_HINT = "Restore the files into a folder instead: vml restore ENTRY --to DIR"


class Tally(NamedTuple):
    """What one tree stands for, itself not counted; ``children`` is how many folders lie directly in it."""

    nodes: int = 0
    folders: int = 0
    chunks: int = 0
    height: int = 0
    children: int = 0


def measure(source: Source, tree: str) -> dict[str, Tally]:
    """Count every tree under ``tree``; the walk keeps its own stack, so depth costs no recursion.

    Raises:
        Foreign: A tree holds itself, or there is more than an image may hold.
    """
    tallies: dict[str, Tally] = {}
    path = [(tree, *_open(source, tree))]
    on_path = {tree}
    while path:
        name, nodes, waiting = path[-1]
        below = next((id for id in waiting if id not in tallies), None)
        if below is None:
            tallies[name] = _total(nodes, tallies)
            on_path.discard(name)
            path.pop()
        elif below in on_path:
            raise Foreign(f"the tree {below[:16]} holds itself")
        elif len(path) > MAX_DEPTH:
            raise Foreign(f"folders are nested more than {MAX_DEPTH} deep", _HINT)
        else:
            on_path.add(below)
            path.append((below, *_open(source, below)))
    return tallies


def _open(source: Source, tree: str) -> tuple[tuple[Node, ...], Iterator[str]]:
    nodes = source.tree(tree)
    return nodes, iter([subtree(node) for node in nodes if node.type == "dir"])


def subtree(node: Node) -> str:
    """Return the tree of a folder.

    Raises:
        Foreign: It has none.
    """
    if not node.subtree:
        raise Foreign(f"the folder {node.name[:80]!a} has no tree")
    return node.subtree


def _total(nodes: tuple[Node, ...], tallies: dict[str, Tally]) -> Tally:
    below = [tallies[subtree(node)] for node in nodes if node.type == "dir"]
    tally = Tally(
        nodes=len(nodes) + sum(each.nodes for each in below),
        folders=len(below) + sum(each.folders for each in below),
        chunks=sum([len(node.content) for node in nodes if node.content])
        + sum(each.chunks for each in below),
        height=1 + max((each.height for each in below), default=0),
        children=len(below),
    )
    if tally.nodes > MAX_NODES or tally.chunks > MAX_CHUNKS:
        raise Foreign(
            f"more than {MAX_NODES:,} files or {MAX_CHUNKS:,} blobs do not fit one disk image", _HINT
        )
    if tally.height > MAX_DEPTH:
        raise Foreign(f"folders are nested more than {MAX_DEPTH} deep", _HINT)
    return tally
