"""Look for what is hurt in a repository, and say which snapshots and files need it.

    keys, config, locks, snapshots   by their digests and seals
    index <-> packs                  sizes and headers; on request every blob is read
    snapshots -> trees -> blobs      is everything that is needed somewhere, whole?

A pack in which something does not fit is read through at once, so that the finding names the blobs, and with
them the files, that are really lost. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from vml_jupyter.errors import DiskFull, LogbookDamaged, StoreUnreachable
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository.contents import Contents, Depot, read_contents
from vml_jupyter.repository.drafts import Drafts
from vml_jupyter.repository.keys import KeyRecord
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.pack import Kind, pack_name
from vml_jupyter.repository.packcheck import PackCheck
from vml_jupyter.repository.records import Snapshot, decode_snapshot
from vml_jupyter.repository.report import Report
from vml_jupyter.repository.staleness import decode_lock, is_stale
from vml_jupyter.repository.tracing import walk

_SHOWN = 5


@dataclass(frozen=True)
class Checked:
    """A report, and what mending works with."""

    report: Report
    contents: Contents
    packs: PackCheck


def check(
    depot: Depot,
    keys: Iterable[KeyRecord],
    config: LogbookDamaged | None,
    *,
    read_data: bool = False,
    progress: Progress = SILENT,
) -> Checked:
    """Look at everything.

    Args:
        depot: The repository.
        keys: Its keys, as found.
        config: What is wrong with its config.
        read_data: Read every blob of every pack, too.
        progress: Told the bytes read.

    Raises:
        StoreUnreachable: The place does not answer.
        Cancelled: The user ended it.
    """
    progress.stage("check", "Checking the logbook")
    run = _Check(depot, progress)
    run.look_at_locks()  # before ours is there, which removes those that are stale
    with _locked(depot.locks):
        return run.run(keys, config, read_data)


@contextmanager
def _locked(locks: Locks) -> Iterator[None]:
    """Keep packs from being removed meanwhile, where a lock can be made: what is hurt may be read-only, too."""
    with ExitStack() as stack:
        with suppress(LogbookDamaged, StoreUnreachable, DiskFull):
            stack.enter_context(locks.hold())
        yield


class _Check:
    """One run of ``check``.

    Snapshots are read before the index, and that before the packs are listed: in the opposite order of writing,
    so that what others write meanwhile is no finding.
    """

    def __init__(self, depot: Depot, progress: Progress) -> None:
        self._depot = depot
        self._progress = progress
        self._drafts = Drafts()
        self._needed: dict[Kind, set[str]] = {"data": set(), "tree": set()}

    def run(self, keys: Iterable[KeyRecord], config: LogbookDamaged | None, read_data: bool) -> Checked:
        if config:
            self._drafts.add("damage", "config-damaged", "config", config.message)
        for key in keys:
            if key.damage:
                self._drafts.add(
                    "damage", "key-damaged", f"keys/{key.id}", f"{key.damage}: its password opens nothing"
                )
        snapshots = self._snapshots()
        contents = read_contents(self._depot.store, self._depot.documents)
        packs = PackCheck(self._depot, contents)
        packs.compare(headers=read_data or not self._depot.store.is_remote)
        self._trees(snapshots, packs)
        if read_data:
            self._progress.stage("read", "Reading all content")
            packs.read(contents.sizes, self._progress)
        else:
            packs.read(packs.suspects(), self._progress)
        self._index(contents, packs)
        self._packs(packs)
        self._lost(packs)
        self._drafts.follow(self._depot.read_trees, snapshots)
        report = Report(
            findings=self._drafts.findings(),
            snapshots=len(snapshots),
            packs=len(contents.sizes),
            blobs=sum(map(len, packs.named.values())),
            bytes=sum(contents.sizes.values()),
            read_bytes=packs.read_bytes,
        )
        return Checked(report, contents, packs)

    def _snapshots(self) -> list[Snapshot]:
        documents, found = self._depot.documents, list[Snapshot]()
        for id in sorted(documents.names("snapshots")):
            try:
                found.append(decode_snapshot(documents.load("snapshots", id), id))
            except FileNotFoundError:
                continue  # removed since it was listed
            except LogbookDamaged as error:
                draft = self._drafts.add("damage", "snapshot-damaged", f"snapshots/{id}", error.message)
                draft.message += ": what it names cannot be listed or restored by its name"
                draft.affected[id] = []
        return found

    def look_at_locks(self) -> None:
        documents = self._depot.documents
        for id in sorted(documents.names("locks")):
            try:
                if documents.is_empty("locks", id):
                    self._drafts.add(
                        "note", "lock-empty", f"locks/{id}", f"locks/{id} is empty and locks nothing"
                    )
                elif is_stale(decode_lock(documents.load("locks", id), id)):
                    self._drafts.add(
                        "note", "lock-stale", f"locks/{id}", f"nobody stands behind locks/{id}: `vml unlock`"
                    )
            except FileNotFoundError:
                continue
            except LogbookDamaged as error:
                self._drafts.add(
                    "damage", "lock-damaged", f"locks/{id}", f"{error.message}: `vml unlock --all`"
                )

    def _trees(self, snapshots: list[Snapshot], packs: PackCheck) -> None:
        """Collect what the snapshots need; a tree that cannot be read is looked for in its packs."""
        data, trees = self._needed["data"], self._needed["tree"]
        for id, branches in walk(self._depot.read_trees, (snapshot.tree for snapshot in snapshots)):
            trees.add(id)
            if isinstance(branches, LogbookDamaged):
                packs.examine("tree", id)
                if not packs.is_lost("tree", id):
                    draft = self._drafts.add("damage", "tree-invalid", f"tree {id}", branches.message)
                    draft.blobs.add(("tree", id))
                continue
            for branch in branches:
                if branch.content:
                    data.update(branch.content)

    def _index(self, contents: Contents, packs: PackCheck) -> None:
        for name, why in contents.damaged.items():
            self._drafts.add(
                "damage", "index-damaged", f"index/{name}", f"{why}; `vml check --repair-index` makes it anew"
            )
        for pack, blobs in packs.unnamed.items():
            needed = sum(
                blob.id in self._needed[blob.type] and not self._named(packs, blob.type, blob.id)
                for blob in blobs
            )
            name = pack_name(pack)
            if needed:
                self._drafts.add(
                    "damage",
                    "pack-not-indexed",
                    name,
                    f"no index file names {name}, which holds {needed} blobs that snapshots need; "
                    "`vml check --repair-index` mends that",
                )
            else:
                self._drafts.add(
                    "warning",
                    "pack-unused",
                    name,
                    f"no index file names {name} and nothing needs it: left by an interruption, or being written "
                    "now; `vml prune` frees its room",
                )

    def _named(self, packs: PackCheck, kind: Kind, id: str) -> bool:
        return any(pack in packs.named for pack in packs.packs_of(kind, id))

    def _packs(self, packs: PackCheck) -> None:
        hurt = packs.hurt
        for pack, reasons in hurt.reasons.items():
            blobs = hurt.places[pack]
            expected = len(packs.blobs().get(pack, ()))
            how_many = (
                f"{len(blobs)} of {expected} blobs in it are lost" if blobs else "every blob in it is whole"
            )
            kind = "pack-missing" if pack in hurt.missing else "pack-damaged"
            if not expected:
                how_many = "what it holds is not known"
            message = f"{pack_name(pack)} is damaged: {'; '.join(reasons[:_SHOWN])} ({how_many})"
            draft = self._drafts.add("damage", kind, pack_name(pack), message)
            draft.blobs = {(kind, id) for kind, id in blobs if packs.is_lost(kind, id)}

    def _lost(self, packs: PackCheck) -> None:
        """Name what snapshots need and no pack should hold."""
        nowhere = {
            (kind, id) for kind, ids in self._needed.items() for id in ids if not packs.packs_of(kind, id)
        }
        if nowhere:
            some = ", ".join(f"{kind} {id[:12]}" for kind, id in sorted(nowhere)[:_SHOWN])
            message = f"{len(nowhere)} blobs that snapshots need are in no pack: {some}"
            self._drafts.add("damage", "blobs-missing", "index", message).blobs = nowhere
