"""Take a snapshot: a working area becomes a tree in a repository.

    walk --folders, top down--> readers (threads) --nodes--> tree, once a folder and all below it is read

Only what changed is read: a file whose size, inode, mtime and ctime are those of the parent snapshot keeps
its node, and a folder in which nothing changed keeps its tree. Of a folder that is listed as it is remembered
(``states``) not even the tree is read. The walk runs ahead of the readers by a bounded number of files, so
memory does not grow with the area.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.gonames import quote_name
from vml_jupyter.repository.node import encode_tree
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.content import SMALL_BYTES, Content
from vml_jupyter.snapshot.describe import attributes_of_folder, describe, is_unchanged
from vml_jupyter.snapshot.growing import Batch, Growing
from vml_jupyter.snapshot.ignore import DEFAULTS, Rules
from vml_jupyter.snapshot.readers import Readers
from vml_jupyter.snapshot.states import FolderState, States
from vml_jupyter.snapshot.walk import Findings, Folder, Item, borders_of, open_area, printable, walk


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
    cache: Path | None = None,
    cross_mounts: bool = False,
) -> Taken:
    """Save ``area`` and return its tree; hold the repository's lock around this and the snapshot that names it.

    Args:
        repository: Where it goes.
        area: The working area.
        progress: Told the bytes done, and what the user should know.
        parent_tree: The tree of an earlier snapshot of the same area.
        total_bytes: What ``survey`` counted, for the progress bar.
        cache: The folder in which is kept what the area looked like; without it an unchanged area takes longer.
        cross_mounts: Whether what is mounted below the area belongs to it.

    Raises:
        BadArea: The area is missing, no folder, or cannot be read.
        StoreUnreachable, DiskFull, LogbookLocked: The repository cannot take it.
        Cancelled: The user ended it; what was stored so far is not stored again next time.
    """
    with repository.lock():
        top = open_area(area)
        rules = Rules.of(area)
        borders = borders_of(area, cross_mounts)
        looked_at_with = f"{DEFAULTS} {cross_mounts}"
        states = States(cache, repository.id, area.resolve(), looked_at_with)
        if states.load(parent_tree, repository.index_names()) and parent_tree:
            repository.vouch(parent_tree)
        try:
            taken = _take(repository, top, rules, borders, states, progress, parent_tree, total_bytes)
        except LogbookDamaged:
            if not states.forget():
                raise
            # An earlier tree cannot be read, so what is below it is looked at as if for the first time.
            again = open_area(area)
            taken = _take(repository, again, rules, borders, states, progress, parent_tree, total_bytes)
        repository.flush()
        states.save(taken.tree, repository.index_names())
    return taken


def _take(
    repository: Repository,
    top: Folder,
    rules: Rules,
    borders: frozenset[str] | None,
    states: States,
    progress: Progress,
    parent_tree: str | None,
    total_bytes: int | None,
) -> Taken:
    with Readers(repository) as readers:
        taker = _Taker(repository, progress, readers, states, total_bytes)
        return taker.run(top, rules, borders, parent_tree)


class _Taker:
    """One run of ``take``."""

    def __init__(
        self,
        repository: Repository,
        progress: Progress,
        readers: Readers,
        states: States,
        total_bytes: int | None,
    ) -> None:
        self._repository = repository
        self._progress = progress
        self._readers = readers
        self._states = states
        self._total_bytes = total_bytes
        self._findings = Findings()
        self._growing: dict[str, Growing] = {}
        self._batch, self._specials = Batch(), Batch()
        self._files = self._bytes = self._new_bytes = 0
        self._tree = ""

    def run(
        self, top: Folder, rules: Rules, borders: frozenset[str] | None, parent_tree: str | None
    ) -> Taken:
        folders = walk(top, rules, self._findings, borders, self._states)
        while self._step(folders, parent_tree):
            self._settle_some()
        self._submit_filled()
        self._settle_some(everything=True)
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
        known = folder.unchanged
        if known is not None:
            grown = Growing(folder, above, known.tree, len(folder.subfolders))
            self._count(grown, known.files, known.bytes)
        else:
            grown = self._begin_changed(folder, above, parent_tree)
        if folder.subfolders:
            self._growing[folder.relative] = grown
        for item in folder.items:
            if self._keep(grown, item):
                grown.missing -= 1
                continue
            if item.status.st_size > SMALL_BYTES:
                folder.opened.pin()
                self._readers.submit(Batch([(grown, item)], item.status.st_size))
                continue
            folder.opened.pin()
            batch = self._batch if stat.S_ISREG(item.status.st_mode) else self._specials
            batch.add(grown, item)
            if batch.is_full:
                self._submit_filled()
        self._finish_upwards(grown)

    def _begin_changed(self, folder: Folder, above: Growing | None, parent_tree: str | None) -> Growing:
        node = self._previous(above).get(_quoted(folder.name)) if above else None
        tree = node.subtree if node else None if above else parent_tree
        return Growing(folder, above, tree, len(folder.subfolders) + len(folder.items), node)

    def _previous(self, grown: Growing) -> dict[str, Node]:
        """Return the nodes of a folder's earlier tree by name."""
        if grown.previous is None:
            grown.previous = self._nodes_of(grown.tree)
        return grown.previous

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
        node = self._previous(grown).get(_quoted(item.name)) if grown.tree else None
        if node is None or not is_unchanged(node, item.status):
            return False
        if not all(map(self._repository.has_blob, node.content or ())):
            return False
        self._add(grown, node)
        return True

    def _submit_filled(self) -> None:
        """Have the batches read that are being filled, and begin others."""
        for batch in (self._batch, self._specials):
            if batch.files:
                self._readers.submit(batch)
        self._batch, self._specials = Batch(), Batch()

    def _settle_some(self, everything: bool = False) -> None:
        """Take in batches that were read, and finish every folder that waited for them alone."""
        for batch, results in self._readers.settled(everything):
            with turn():
                for (grown, item), result in zip(batch.files, results, strict=True):
                    grown.missing -= 1
                    grown.folder.opened.unpin()
                    self._take_in(grown, item, result)
                    if not grown.missing:
                        self._finish_upwards(grown)

    def _finish_upwards(self, grown: Growing | None) -> None:
        """Finish a folder if nothing of it is missing, then the one above it, and so on."""
        while grown is not None and not grown.missing:
            grown = self._finish(grown)

    def _take_in(self, grown: Growing, item: Item, result: Content | OSError) -> None:
        relative = grown.folder.relative + item.name
        if isinstance(result, OSError):
            grown.settled = False
            if not isinstance(result, FileNotFoundError):  # which was removed since its folder was listed
                self._findings.unread(relative, result)
            return
        if result.changing:
            grown.settled = False
            self._findings.notes.append(f"{printable(relative)} changed while it was read, three times over")
        self._new_bytes += result.new_bytes
        self._add(grown, result.node)

    def _add(self, grown: Growing, node: Node) -> None:
        grown.nodes.append(node)
        if node.type == "file":
            self._count(grown, 1, node.size)

    def _count(self, grown: Growing, files: int, size_bytes: int) -> None:
        grown.files += files
        grown.bytes += size_bytes
        self._files += files
        self._bytes += size_bytes

    def _finish(self, grown: Growing) -> Growing | None:
        """Save a folder's tree, put the folder into the one above, and return that."""
        self._progress.advance(self._bytes, self._total_bytes, "B")
        self._tree = self._save_tree(grown)
        self._growing.pop(grown.folder.relative, None)
        self._remember(grown, self._tree)
        above = grown.above
        if above is not None:
            if above.folder.unchanged is None or self._tree != grown.tree:
                above.nodes.append(self._folder_node(grown, above, self._tree))
            above.missing -= 1
        return above

    def _save_tree(self, grown: Growing) -> str:
        nodes = grown.nodes
        if grown.folder.unchanged is not None:
            if not nodes:
                return grown.folder.unchanged.tree
            nodes = self._renewed(grown)
        previous = self._previous(grown)
        if (
            grown.tree
            and len(nodes) == len(previous)
            and all(previous.get(node.name) == node for node in nodes)
        ):
            return grown.tree
        tree, stored = self._repository.save_blob(encode_tree(nodes), "tree")
        self._new_bytes += stored
        return tree

    def _renewed(self, grown: Growing) -> list[Node]:
        """Return the earlier nodes of a folder with those of the subfolders that changed in their place.

        Raises:
            LogbookDamaged: The earlier tree cannot be read, and what is in the folder was not looked at.
        """
        nodes = {node.name: node for node in self._repository.tree(grown.tree or "")}
        nodes.update((node.name, node) for node in grown.nodes)
        return list(nodes.values())

    def _remember(self, grown: Growing, tree: str) -> None:
        folder = grown.folder
        if folder.unchanged is not None:
            same = folder.unchanged.tree == tree
            self._states.remember(
                folder.unchanged if same else msgspec.structs.replace(folder.unchanged, tree=tree)
            )
        elif folder.listing is not None and grown.settled:
            entries, places, left_out = folder.listing
            self._states.remember(
                FolderState(folder.relative, tree, grown.files, grown.bytes, places, left_out, entries)
            )

    def _folder_node(self, grown: Growing, above: Growing, tree: str) -> Node:
        folder = grown.folder
        node = grown.node or self._previous(above).get(_quoted(folder.name))
        if node is not None and node.subtree == tree and is_unchanged(node, folder.status):
            return node
        attributes = attributes_of_folder(folder.descriptor) if folder.descriptor else None
        return describe(folder.name, folder.status, attributes, subtree=tree)


def _quoted(name: str) -> str:
    """Return a name as it stands in a tree."""
    return quote_name(os.fsencode(name))
