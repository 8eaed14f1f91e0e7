"""What changed between two snapshots.

    tree, tree --compare--> Change, Change, ...      folders whose trees are the same are not entered

A change is one of what a person would call so: a time, an inode or an owner alone is none, since they change when
a snapshot is restored. Snapshots come from colleagues, so all that they say is bounded before it is believed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vml_jupyter.errors import Foreign
from vml_jupyter.repository import Node, Repository
from vml_jupyter.snapshot.descriptor import DEEPEST
from vml_jupyter.snapshot.findings import printable

_MOST = 1_000_000


@dataclass(frozen=True)
class Side:
    """One side of a change. ``mode`` are the permission bits; ``node`` is None for what lies in an area."""

    type: str
    size: int
    mode: int
    node: Node | None = None


@dataclass(frozen=True)
class Change:
    """Something that is on one side only, or that differs.

    ``what`` holds ``content``, ``type``, ``mode``, ``target``, ``device``, ``attributes``. ``path`` is as people
    read it, ``raw`` as the file system has it.
    """

    path: str
    raw: bytes
    before: Side | None
    after: Side | None
    what: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"


def compare(repository: Repository, before: str, after: str) -> Iterator[Change]:
    """Yield what differs between two trees, folders before what is in them, in the order of names.

    Raises:
        LogbookDamaged: A tree that differs cannot be read.
        Foreign: The trees are deeper, or differ in more, than a working area can.
    """
    stack: list[tuple[bytes, str | None, str | None]] = [(b"", before, after)]
    count = 0
    while stack:
        path, left, right = stack.pop()
        if left == right:
            continue
        below: list[tuple[bytes, str | None, str | None]] = []
        for name, old, new in _pairs(nodes_of(repository, left), nodes_of(repository, right)):
            count += 1
            _require(count <= _MOST, f"there are more than {_MOST} differences")
            change = _change(repository, path + name, old, new)
            if change:
                yield change
            subtrees = subtree_of(old), subtree_of(new)
            if subtrees[0] != subtrees[1]:
                below.append((path + name + b"/", *subtrees))
        _require(path.count(b"/") <= DEEPEST, f"its folders lie more than {DEEPEST} deep")
        stack.extend(reversed(below))


def _change(repository: Repository, path: bytes, old: Node | None, new: Node | None) -> Change | None:
    before, after = side_of(old), side_of(new)
    what: tuple[str, ...] = ()
    if old and new:
        what = difference(old, new)
        if old.type == new.type == "file" and old.content != new.content:
            what = ("content", *what) if old.size != new.size or not _same(repository, old, new) else what
        if not what:
            return None
    return Change(shown(path), path, before, after, what)


def difference(old: Node, new: Node) -> tuple[str, ...]:
    """Return in what two nodes differ, but for the content of files."""
    if old.type != new.type:
        return ("type",)
    differs = {
        "mode": permissions_of(old) != permissions_of(new) and old.type != "symlink",
        "target": old.target_bytes != new.target_bytes,
        "device": old.device != new.device,
        "attributes": attributes_in(old) != attributes_in(new),
    }
    return tuple(name for name, is_so in differs.items() if is_so)


def _same(repository: Repository, old: Node, new: Node) -> bool:
    """Tell whether two files of one size are the same bytes, though cut at other places, as another program does."""
    cuts = [[repository.blob_size(id) for id in node.content or ()] for node in (old, new)]
    return cuts[0] != cuts[1] and _digest(repository, old) == _digest(repository, new)


def _digest(repository: Repository, node: Node) -> bytes:
    digest = hashlib.sha256()
    for id in node.content or ():
        digest.update(repository.blob(id))
    return digest.digest()


def _pairs(old: Sequence[Node], new: Sequence[Node]) -> Iterator[tuple[bytes, Node | None, Node | None]]:
    left = {node.name_bytes: node for node in old}
    right = {node.name_bytes: node for node in new}
    for name in sorted(left.keys() | right.keys()):
        yield name, left.get(name), right.get(name)


def nodes_of(repository: Repository, tree: str | None) -> Sequence[Node]:
    return repository.tree(tree) if tree else ()


def subtree_of(node: Node | None) -> str | None:
    return node.subtree if node and node.type == "dir" else None


def side_of(node: Node | None) -> Side | None:
    return Side(node.type, node.size, permissions_of(node), node) if node else None


def permissions_of(node: Node) -> int:
    return stat.S_IMODE(node.st_mode)


def attributes_in(node: Node) -> dict[str, bytes | None]:
    return {one.name: one.value for one in node.extended_attributes or ()}


def shown(path: bytes) -> str:
    return printable(os.fsdecode(path))


def _require(condition: bool, what: str) -> None:
    if not condition:
        raise Foreign(f"the snapshots cannot be compared: {what}", "They were not written by VML or restic")
