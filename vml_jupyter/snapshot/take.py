"""Take a snapshot: a working area becomes a tree in a repository.

    walk --folders, top down--> readers (threads) --nodes--> tree, once a folder and all below it is read

Only what changed is read: a file whose size, inode, mtime and ctime are those of the parent snapshot keeps
its node, and a folder in which nothing changed keeps its tree. The walk runs ahead of the readers by a
bounded number of files, so memory does not grow with the area.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.gonames import quote_name
from vml_jupyter.repository.node import encode_tree
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.content import SMALL_BYTES, Content, Pace, read_files
from vml_jupyter.snapshot.describe import attributes_of_folder, describe, is_unchanged
from vml_jupyter.snapshot.descriptor import Descriptor
from vml_jupyter.snapshot.growing import Batch, Growing
from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.walk import Findings, Folder, Item, borders_of, open_area, printable, walk

_READERS = 4  # in turns, but where the area is slow
_SAVERS = max(2, min(8, os.cpu_count() or 2))
_BATCHES_AHEAD = 8


@dataclass(frozen=True)
class Taken:
    """A snapshot's tree, and what it cost. ``unreadable`` names what is missing in it, and why."""

    tree: str
    files: int
    bytes: int
    new_bytes: int
    unreadable: list[str]


def take(
    repository: Repository,
    area: Path,
    progress: Progress = SILENT,
    parent_tree: str | None = None,
    total_bytes: int | None = None,
    cross_mounts: bool = False,
) -> Taken:
    """Save ``area`` and return its tree; hold the repository's lock around this and the snapshot that names it.

    Args:
        repository: Where it goes.
        area: The working area.
        progress: Told the bytes done, and what the user should know.
        parent_tree: The tree of an earlier snapshot of the same area.
        total_bytes: What ``survey`` counted, for the progress bar.
        cross_mounts: Whether what is mounted below the area belongs to it.

    Raises:
        BadArea: The area is missing, no folder, or cannot be read.
        StoreUnreachable, DiskFull, LogbookLocked: The repository cannot take it.
        Cancelled: The user ended it; what was stored so far is not stored again next time.
    """
    with repository.lock():
        top = open_area(area)
        with _pool(_READERS) as readers, _pool(_SAVERS) as savers:
            taker = _Taker(repository, progress, readers, savers, total_bytes)
            taken = taker.run(top, Rules.of(area), borders_of(area, cross_mounts), parent_tree)
        repository.flush()
    return taken


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Give a pool whose waiting work is dropped when the ``with`` is left early."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="vml-take")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Taker:
    """One run of ``take``."""

    def __init__(
        self,
        repository: Repository,
        progress: Progress,
        readers: ThreadPoolExecutor,
        savers: ThreadPoolExecutor,
        total_bytes: int | None,
    ) -> None:
        self._repository = repository
        self._progress = progress
        self._readers = readers
        self._savers = savers
        self._total_bytes = total_bytes
        self._findings = Findings()
        self._pace = Pace()
        self._growing: dict[str, Growing] = {}
        self._batch = Batch()
        self._reading: deque[tuple[Batch, Future[list[Content | OSError]]]] = deque()
        self._files = self._bytes = self._new_bytes = 0
        self._tree = ""

    def run(
        self, top: Folder, rules: Rules, borders: frozenset[str] | None, parent_tree: str | None
    ) -> Taken:
        folders = walk(top, rules, self._findings, borders)
        while self._step(folders, parent_tree):
            while len(self._reading) > _BATCHES_AHEAD:
                self._settle(*self._reading.popleft())
        self._submit_filled()
        while self._reading:
            self._settle(*self._reading.popleft())
        for note in self._findings.notes:
            self._progress.note(note)
        return Taken(self._tree, self._files, self._bytes, self._new_bytes, self._findings.unreadable)

    def _step(self, folders: Iterator[Folder], parent_tree: str | None) -> bool:
        """Walk on by one folder; False at the end."""
        with turn():
            folder = next(folders, None)
            if folder is not None:
                self._begin(folder, parent_tree)
        return folder is not None

    def _begin(self, folder: Folder, parent_tree: str | None) -> None:
        """Keep what did not change, and have the rest read."""
        above = self._growing[folder.parent.relative] if folder.parent else None
        node = above.previous.get(quote_name(os.fsencode(folder.name))) if above else None
        tree = node.subtree if node else None if above else parent_tree
        missing = len(folder.subfolders) + len(folder.items)
        grown = Growing(folder, above, node, tree, self._nodes_of(tree), missing)
        if folder.subfolders:
            self._growing[folder.relative] = grown
        for item in folder.items:
            if self._keep(grown, item):
                grown.missing -= 1
                continue
            if item.status.st_size > SMALL_BYTES:
                _descriptor(folder).pin()
                self._submit(Batch([(grown, item)]))
                continue
            _descriptor(folder).pin()
            self._batch.add(grown, item)
            if self._batch.is_full:
                self._submit_filled()
        self._finish_upwards(grown)

    def _nodes_of(self, tree: str | None) -> dict[str, Node]:
        """Return the nodes of an earlier tree by name; one that is damaged is as good as none."""
        if tree is None:
            return {}
        try:
            return {node.name: node for node in self._repository.tree(tree)}
        except LogbookDamaged:
            return {}

    def _keep(self, grown: Growing, item: Item) -> bool:
        """Take over the earlier node of something that did not change; False where it has to be looked at."""
        node = grown.previous.get(quote_name(os.fsencode(item.name)))
        if node is None or not is_unchanged(node, item.status):
            return False
        if not all(map(self._repository.has_blob, node.content or ())):
            return False
        grown.nodes.append(node)
        self._count(node)
        return True

    def _submit_filled(self) -> None:
        """Have the batch read that is being filled, and begin another."""
        self._submit(self._batch)
        self._batch = Batch()

    def _submit(self, batch: Batch) -> None:
        files = [(_descriptor(grown.folder), item) for grown, item in batch.files]
        self._reading.append(
            (batch, self._readers.submit(read_files, self._repository, files, self._savers, self._pace))
        )

    def _settle(self, batch: Batch, reading: Future[list[Content | OSError]]) -> None:
        """Wait for a batch, and finish every folder that waited for it alone."""
        results = reading.result()
        with turn():
            for (grown, item), result in zip(batch.files, results, strict=True):
                grown.missing -= 1
                _descriptor(grown.folder).unpin()
                self._take_in(grown, item, result)
                self._finish_upwards(grown)

    def _finish_upwards(self, grown: Growing | None) -> None:
        """Finish a folder if nothing of it is missing, then the one above it, and so on."""
        while grown is not None and not grown.missing:
            grown = self._finish(grown)

    def _take_in(self, grown: Growing, item: Item, result: Content | OSError) -> None:
        relative = grown.folder.relative + item.name
        if isinstance(result, FileNotFoundError):
            return  # removed since its folder was listed
        if isinstance(result, OSError):
            self._findings.unread(relative, result)
            return
        if result.changing:
            self._findings.notes.append(f"{printable(relative)} changed while it was read, three times over")
        grown.nodes.append(result.node)
        self._new_bytes += result.new_bytes
        self._count(result.node)

    def _count(self, node: Node) -> None:
        if node.type == "file":
            self._files += 1
            self._bytes += node.size

    def _finish(self, grown: Growing) -> Growing | None:
        """Save a folder's tree, put the folder into the one above, and return that."""
        self._progress.advance(self._bytes, self._total_bytes, "B")
        self._tree = self._save_tree(grown)
        self._growing.pop(grown.folder.relative, None)
        above = grown.above
        if above is not None:
            above.nodes.append(_folder_node(grown, self._tree))
            above.missing -= 1
        return above

    def _save_tree(self, grown: Growing) -> str:
        previous = grown.previous
        same = len(grown.nodes) == len(previous) and all(
            previous.get(node.name) == node for node in grown.nodes
        )
        if grown.tree and same:
            return grown.tree
        tree, stored = self._repository.save_blob(encode_tree(grown.nodes), "tree")
        self._new_bytes += stored
        return tree


def _descriptor(folder: Folder) -> Descriptor:
    assert folder.descriptor is not None, "a folder that was not entered has no items"
    return folder.descriptor


def _folder_node(grown: Growing, tree: str) -> Node:
    folder, node = grown.folder, grown.node
    if node is not None and node.subtree == tree and is_unchanged(node, folder.status):
        return node
    attributes = attributes_of_folder(folder.descriptor) if folder.descriptor else None
    return describe(folder.name, folder.status, attributes, subtree=tree)
