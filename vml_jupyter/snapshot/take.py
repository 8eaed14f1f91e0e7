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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.errors import BadArea, LogbookDamaged
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.node import encode_node
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.content import Read
from vml_jupyter.snapshot.findings import Findings, printable
from vml_jupyter.snapshot.growing import Batch, Growing, Part
from vml_jupyter.snapshot.ignore import DEFAULTS, FILE_NAME, Rules
from vml_jupyter.snapshot.pieces import SMALL_BYTES
from vml_jupyter.snapshot.plan import MOST_NODES
from vml_jupyter.snapshot.readers import Readers
from vml_jupyter.snapshot.states import States
from vml_jupyter.snapshot.trees import Trees
from vml_jupyter.snapshot.walk import Folder, borders_of, open_area, walk

_NAMED, _NAMED_LENGTH = 20, 1_000


@dataclass(frozen=True)
class Taken:
    """A snapshot's tree, and what it cost.

    ``folder`` is the node of the area itself, without a name; ``unreadable`` names what is missing in
    the tree, and why; ``changing`` the files that never held still, and are in it as they were read last.
    """

    tree: str
    folder: Node
    files: int
    bytes: int
    new_bytes: int
    unreadable: list[str]
    changing: list[str]

    @property
    def first_changing(self) -> tuple[str, ...]:
        """Return as many of the names as an entry keeps."""
        return tuple(name[:_NAMED_LENGTH] for name in self.changing[:_NAMED])


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
        BadArea: The area is missing, no folder, cannot be read, or holds more than a restore takes.
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
        self._progress = progress
        self._readers = readers
        self._states = states
        self._findings = Findings()
        self._trees = Trees(repository, states, self._findings)
        self._total_bytes = total_bytes
        self._growing: dict[str, Growing] = {}
        self._batch, self._specials = Batch(), Batch(is_plain=False)
        self._files = self._bytes = self._new_bytes = self._nodes = 0

    def run(
        self, top: Folder, rules: Rules, borders: frozenset[str] | None, parent_tree: str | None
    ) -> Taken:
        folders = walk(top, rules, self._findings, borders, self._states)
        while self._step(folders, parent_tree):
            self._settle_some()
        self._submit_filled()
        self._settle_some(everything=True)
        self._findings.tell(self._progress)
        folder = self._trees.top
        assert folder is not None, "a walk ends with its top"
        new_bytes = self._new_bytes + self._trees.new_bytes
        unreadable, changing = self._findings.unreadable, self._findings.changing
        return Taken(folder.subtree or "", folder, self._files, self._bytes, new_bytes, unreadable, changing)

    def _step(self, folders: Iterator[Folder], parent_tree: str | None) -> bool:
        """Walk on by one folder; False at the end."""
        with turn():
            folder = next(folders, None)
            if folder is not None:
                self._begin(folder, parent_tree)
        return folder is not None

    def _begin(self, folder: Folder, parent_tree: str | None) -> None:
        """Keep what did not change, and have the rest read."""
        self._require_restorable(folder)
        above = self._growing[folder.parent.relative] if folder.parent else None
        grown = self._trees.begin(folder, above, parent_tree)
        if folder.unchanged is not None:
            self._count(grown, folder.unchanged.files, folder.unchanged.bytes)
        if folder.subfolders:
            self._growing[folder.relative] = grown
        for item in folder.items:
            node = self._trees.unchanged(grown, item) if grown.tree else None
            if node is not None:
                grown.missing -= 1
                grown.nodes.append((node.name_bytes, encode_node(node)))
                self._count(grown, node.type == "file", node.size)
                continue
            is_file = stat.S_ISREG(item.status.st_mode)
            if is_file and item.status.st_size > SMALL_BYTES:
                alone = Batch()
                alone.add(grown, item)
                self._readers.submit(alone)
                continue
            batch = self._batch if is_file else self._specials
            batch.add(grown, item)
            if batch.is_full:
                self._submit_filled()
        self._finish_upwards(grown)

    def _require_restorable(self, folder: Folder) -> None:
        """Refuse what ``plan`` would refuse to restore; links in an unchanged folder are not counted again."""
        files = folder.unchanged.files if folder.unchanged else len(folder.items)
        self._nodes += files + len(folder.subfolders)
        if self._nodes > MOST_NODES:
            raise BadArea(
                f"the area holds more than {MOST_NODES} files and folders, which no restore would take",
                f"Leave some out by a {FILE_NAME}, or take a folder of it.",
            )

    def _submit_filled(self) -> None:
        """Have the batches read that are being filled, and begin others."""
        for batch in (self._batch, self._specials):
            if batch.files:
                self._readers.submit(batch)
        self._batch, self._specials = Batch(), Batch(is_plain=False)

    def _settle_some(self, everything: bool = False) -> None:
        """Take in batches that were read, and finish every folder that waited for them alone."""
        for batch, reads in self._readers.settled(everything):
            with turn():
                for part, of_part in batch.done(reads):
                    self._take_in(part, of_part, batch.is_plain)
                    self._finish_upwards(part.grown)

    def _finish_upwards(self, grown: Growing | None) -> None:
        """Finish a folder if nothing of it is missing, then the one above it, and so on."""
        while grown is not None and not grown.missing:
            grown = self._finish(grown)

    def _take_in(self, part: Part, reads: Sequence[Read], are_files: bool) -> None:
        """Put what was read into its folder."""
        grown = part.grown
        grown.missing -= len(reads)
        taken = [(name, read.node) for name, read in zip(part.names, reads, strict=True) if read.node]
        grown.nodes += taken
        self._new_bytes += sum([read.new_bytes for read in reads])
        if are_files:
            self._count(grown, len(taken), sum([read.size for read in reads]))
        for name, read in zip(part.names, reads, strict=True):
            if read.changing or read.lacking or not read.node:
                self._mistrust(grown, os.fsdecode(name), read)

    def _mistrust(self, grown: Growing, name: str, read: Read) -> None:
        """Say what is the matter with a file, and have its folder looked at again by the next snapshot."""
        grown.settled = False
        relative = grown.folder.relative + name
        error = read.error()
        if read.changing:
            self._findings.changing.append(printable(relative))
        if read.lacking:
            self._findings.unread(relative, read.lacking)
        if error and not isinstance(error, FileNotFoundError):  # it was removed since its folder was listed
            self._findings.unread(relative, error)

    def _count(self, grown: Growing, files: int, size_bytes: int) -> None:
        grown.files += files
        grown.bytes += size_bytes
        self._files += files
        self._bytes += size_bytes

    def _finish(self, grown: Growing) -> Growing | None:
        self._progress.advance(self._bytes, self._total_bytes, "B")
        self._growing.pop(grown.folder.relative, None)
        return self._trees.finish(grown)
