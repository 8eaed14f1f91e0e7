"""A snapshot of which something is hurt, without it: so that the rest can be laid out.

tree -> every blob below is read once -> the files that need a hurt one, and the folders whose tree is hurt
repository  ->  the same repository, in whose trees those nodes are not
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import cast

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.tracing import Trace, walk

_BATCH = 256
_BATCH_BYTES = 8 << 20
_PATHS = 100_000


class Salvage:
    """What is whole of one tree; ``lost`` are the paths of what is not, a folder's with a slash at its end.

    Args:
        repository: Where it lies.
        tree: The tree, which must itself be whole.
        progress: Told the pieces read.

    Raises:
        LogbookDamaged: ``tree`` itself is hurt.
    """

    def __init__(self, repository: Repository, tree: str, progress: Progress = SILENT) -> None:
        self._repository = repository
        repository.tree(tree)
        needed: dict[str, None] = {}
        self._trees: set[str] = set()
        for id, branches in walk(repository.read_trees, [tree]):
            if isinstance(branches, LogbookDamaged):
                self._trees.add(id)
                continue
            for branch in branches:
                needed.update(dict.fromkeys(branch.content or ()))
        self._blobs = set(self._unreadable(needed, progress))
        trace = Trace(
            repository.read_trees,
            {("tree", id) for id in self._trees} | {("data", id) for id in self._blobs},
        )
        found = itertools.islice(trace.paths(tree), _PATHS)
        self.lost = sorted({path.removeprefix("/") for path, _ in found})

    def repository(self) -> Repository:
        """Return the repository as one in which nothing of this tree is hurt."""
        return cast(Repository, _View(self._repository, self))

    def is_whole(self, node: Node) -> bool:
        return node.subtree not in self._trees and self._blobs.isdisjoint(node.content or ())

    def _unreadable(self, ids: Iterable[str], progress: Progress) -> Iterator[str]:
        done = 0
        for batch in self._batches(ids):
            try:
                self._repository.blobs(batch)
            except LogbookDamaged:
                yield from (id for id in batch if not self._reads(id))
            done += len(batch)
            progress.advance(done, None, "pieces")

    def _batches(self, ids: Iterable[str]) -> Iterator[list[str]]:
        """Cut into batches that fit into memory; what the index does not know has no size."""
        batch: list[str] = []
        size_bytes = 0
        for id in ids:
            if batch and (len(batch) == _BATCH or size_bytes > _BATCH_BYTES):
                yield batch
                batch, size_bytes = [], 0
            batch.append(id)
            size_bytes += self._repository.blob_size(id) if self._repository.has_blob(id) else 0
        if batch:
            yield batch

    def _reads(self, id: str) -> bool:
        try:
            self._repository.blob(id)
        except LogbookDamaged:
            return False
        return True


class _View:
    """A repository whose trees have only nodes that are whole."""

    def __init__(self, repository: Repository, salvage: Salvage) -> None:
        self._inner = repository
        self._salvage = salvage

    def tree(self, id: str) -> tuple[Node, ...]:
        return tuple(filter(self._salvage.is_whole, self._inner.tree(id)))

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)
