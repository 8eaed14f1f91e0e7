"""Follow trees from the snapshots down: what is in use, and which files need what is hurt.

snapshot -> root tree -> trees below, each once -> data blobs
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.parsing import Parser
from vml_jupyter.repository.cipher import Buffer
from vml_jupyter.repository.contents import BlobKey
from vml_jupyter.repository.node import BlobId, require_bounded

_BATCH = 256
_TREES_AT_ONCE = 4096


class Branch(msgspec.Struct, frozen=True, gc=False):
    """What of a node says where content is; the rest is not even parsed."""

    name: str
    type: str
    content: list[BlobId] | None = None
    subtree: str | None = None


class _Tree(msgspec.Struct, frozen=True, gc=False):
    nodes: list[Branch] | None = None


Branches = Sequence[Branch]
ReadTrees = Callable[[Sequence[str]], list[Buffer]]
"""Gives the bytes of tree blobs; raises LogbookDamaged where one cannot be read."""

_parser = Parser(_Tree)


def read_branches(read: ReadTrees, id: str) -> Branches:
    """Return a tree.

    Raises:
        LogbookDamaged: It is missing, altered or no tree.
    """
    return _decode(id, read([id])[0])


def walk(read: ReadTrees, roots: Iterable[str]) -> Iterator[tuple[str, Branches | LogbookDamaged]]:
    """Yield every tree below ``roots`` once, or what is wrong with it."""
    waiting = list(dict.fromkeys(roots))
    seen = set(waiting)
    while waiting:
        batch, waiting = waiting[-_BATCH:], waiting[:-_BATCH]
        for id, branches in _read_batch(read, batch):
            if not isinstance(branches, LogbookDamaged):
                for branch in branches:
                    if branch.subtree and branch.subtree not in seen:
                        seen.add(branch.subtree)
                        waiting.append(branch.subtree)
            yield id, branches


def _read_batch(read: ReadTrees, ids: Sequence[str]) -> Iterator[tuple[str, Branches | LogbookDamaged]]:
    """Read many trees together; one by one where that finds damage, to tell which."""
    try:
        yield from [(id, _decode(id, raw)) for id, raw in zip(ids, read(ids), strict=True)]
    except LogbookDamaged:
        for id in ids:
            try:
                yield id, read_branches(read, id)
            except LogbookDamaged as error:
                yield id, error


def _decode(id: str, raw: Buffer) -> Branches:
    try:
        require_bounded(raw)
        return _parser.parse(raw).nodes or ()
    except msgspec.DecodeError as error:
        raise LogbookDamaged(f"the tree {id[:12]} is no tree: {error}") from error


class Trace:
    """Find the paths by which snapshots need blobs that are hurt.

    Args:
        read: Gives tree blobs.
        hurt: The blobs.
    """

    def __init__(self, read: ReadTrees, hurt: set[BlobKey]) -> None:
        self._read = read
        self._hurt = hurt
        self._leads: dict[str, bool] = {}
        self._known: dict[str, Branches] = {}

    def paths(self, root: str) -> Iterator[tuple[str, BlobKey]]:
        """Yield a path and the hurt blob that it needs, for each; a folder's path ends with a slash.

        One path for each place in the tree: a hostile tree may have more than anybody can count, so take only
        as many as can be told.
        """
        self._mark(root)
        stack = [("/", root)]
        while stack:
            path, tree = stack.pop()
            if ("tree", tree) in self._hurt:
                yield path, ("tree", tree)
            elif self._leads[tree]:
                for branch in self._branches(tree):
                    for id in dict.fromkeys(branch.content or ()):
                        if ("data", id) in self._hurt:
                            yield path + branch.name, ("data", id)
                    if branch.subtree:
                        stack.append((f"{path}{branch.name}/", branch.subtree))

    def _mark(self, root: str) -> None:
        """Note of every tree below ``root`` whether it leads to something hurt: those below before those above."""
        stack = [(root, False)]
        while stack:
            tree, is_second_visit = stack.pop()
            if ("tree", tree) in self._hurt:
                self._leads[tree] = True
            elif is_second_visit:
                self._leads[tree] = any(self._leads_on(branch) for branch in self._branches(tree))
            elif tree not in self._leads:
                self._leads[tree] = False
                stack.append((tree, True))
                below = (branch.subtree for branch in self._branches(tree))
                stack.extend((subtree, False) for subtree in below if subtree)

    def _leads_on(self, branch: Branch) -> bool:
        below = branch.subtree is not None and self._leads.get(branch.subtree, False)
        return below or any(("data", id) in self._hurt for id in branch.content or ())

    def _branches(self, tree: str) -> Branches:
        if tree not in self._known:
            if len(self._known) >= _TREES_AT_ONCE:
                self._known.clear()
            self._known[tree] = read_branches(self._read, tree)
        return self._known[tree]
