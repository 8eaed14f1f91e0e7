"""Copy a tree from one repository to another, with all that is below it and without what is already there.

    source: tree -> nodes -> blobs that the target lacks --read, checked by id--> target: the same blobs, the same trees

Files may be left out: the trees above them are then made anew, and their bytes are not copied at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from vml_jupyter.errors import Foreign, Usage
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.node import decode_tree, encode_tree
from vml_jupyter.snapshot.findings import printable
from vml_jupyter.snapshot.plan import plan

_BATCH_BYTES = 8 << 20
_BATCH = 500
_DEEPEST = 500


@dataclass(frozen=True)
class Copied:
    """What was copied: the tree's id in the target, what lies in it, and the bytes that were new there."""

    tree: str
    files: int
    bytes: int
    new_bytes: int


class Lessened:
    """A repository's trees without some files, to be read as a repository is."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._made: dict[str, bytes] = {}

    def tree(self, id: str) -> tuple[Node, ...]:
        return decode_tree(self._made[id]) if id in self._made else self._repository.tree(id)

    def raw(self, id: str) -> bytes:
        return self._made[id] if id in self._made else bytes(self._repository.read_trees([id])[0])

    def blob(self, id: str) -> bytes:
        return self._repository.blob(id)

    def blob_size(self, id: str) -> int:
        return self._repository.blob_size(id)

    def without(self, tree: str, paths: Collection[str]) -> str:
        """Return the id of a tree that lacks these files; nothing is written.

        Raises:
            Usage: One lies too deep.
        """
        below: dict[str, list[str]] = {}
        for path in paths:
            if path.count("/") > _DEEPEST:
                raise Usage(
                    f"{path[:80]}... lies too deep to be left out", "Leave its folder out of the area."
                )
            name, _, rest = path.partition("/")
            below.setdefault(name, []).append(rest)
        nodes = []
        for node in self.tree(tree):
            rests = below.get(_shown(node), [])
            if "" in rests:
                continue
            if rests and node.subtree:
                node = msgspec.structs.replace(node, subtree=self.without(node.subtree, rests))
            nodes.append(node)
        raw = encode_tree(nodes)
        id = hashlib.sha256(raw).hexdigest()
        self._made[id] = raw
        return id


def copy(
    source: Lessened,
    target: Repository,
    tree: str,
    progress: Progress = SILENT,
    *,
    most_bytes: int | None = None,
) -> Copied:
    """Copy a tree; hold the target's lock until a snapshot names it.

    Args:
        source: Where it is read.
        target: Where it goes.
        tree: Its id there, and here.
        progress: Is told the bytes.
        most_bytes: Refuse more than so many bytes of different content; None for any number.

    Raises:
        Foreign: Something in it is not what a snapshot may hold.
        LogbookDamaged: Something of it is missing or altered.
        DiskFull: The target has no room.
    """
    total = plan(source, tree)
    _require_bounded(source, tree, most_bytes)
    new = done = 0
    for trees, blobs in _missing(source, target, tree):
        for batch in _batches(source, blobs):
            found = [source.blob(id) for id in batch]
            new += sum(stored for _, stored in target.save_blobs(found))
            done += sum(map(len, found))
            progress.advance(done, None, "bytes")
        for raw in trees:
            new += target.save_blob(raw, "tree")[1]
    target.flush()
    return Copied(tree, total.files, total.bytes, new)


def files_of(source: Lessened, tree: str) -> Iterator[tuple[str, Node]]:
    """Yield every file of a tree with its path, written so that it can be shown; of second names each."""
    waiting = [("", tree)]
    while waiting:
        above, id = waiting.pop()
        for node in source.tree(id):
            path = above + _shown(node)
            if node.type == "dir" and node.subtree:
                waiting.append((f"{path}/", node.subtree))
            elif node.type == "file":
                yield path, node


def _missing(source: Lessened, target: Repository, root: str) -> Iterator[tuple[list[bytes], list[str]]]:
    """Yield trees and ids of data that the target lacks, folder by folder, each once.

    All are looked at: that a tree is there does not say that what it names is, where earlier work broke off.
    """
    seen: set[str] = set()
    for id in _each_tree(source, root):
        ids = [each for node in source.tree(id) for each in node.content or ()]
        blobs = [each for each in dict.fromkeys(ids) if each not in seen and not target.has_blob(each)]
        seen.update(blobs)
        yield ([] if target.has_blob(id, "tree") else [source.raw(id)]), blobs


def _each_tree(source: Lessened, root: str) -> Iterator[str]:
    seen, waiting = {root}, [root]
    while waiting:
        id = waiting.pop()
        yield id
        below = {node.subtree for node in source.tree(id) if node.subtree} - seen
        seen |= below
        waiting.extend(sorted(below))


def _require_bounded(source: Lessened, root: str, most_bytes: int | None) -> None:
    if most_bytes is None:
        return
    seen: set[str] = set()
    total = 0
    for id in _each_tree(source, root):
        new = {each for node in source.tree(id) for each in node.content or ()} - seen
        seen |= new
        total += sum(map(source.blob_size, new))
        if total > most_bytes:
            raise Foreign(
                "it claims to hold far more than a file of its size can",
                "It was made to fill your disk; do not trust it.",
            )


def _batches(source: Lessened, ids: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for id in ids:
        batch.append(id)
        size += source.blob_size(id)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _shown(node: Node) -> str:
    return printable(node.name_bytes.decode("utf-8", "surrogateescape"))
