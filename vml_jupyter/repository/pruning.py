"""Free the room of what no snapshot needs.

    snapshots -> trees -> blobs that are needed
    packs without any    -> removed
    packs with too few   -> their needed blobs go to new packs, then removed
    the others           -> stay, with what is unused in them            (``planning``)

The order makes a crash at any byte harmless: packs that no index file names are removed, then there are new packs,
then new index files, then the old index files are removed, then the old packs. Until the old index is gone nothing
that it names is; after that nothing needs the old packs. The lock is exclusive, every snapshot must be readable,
and whatever is not understood ends it before the first change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec

from vml_jupyter.errors import DiskFull, LogbookDamaged, VmlError
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository.contents import Contents, Depot, read_contents
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.header import pack_bytes
from vml_jupyter.repository.index import IndexPack, encode_index, split
from vml_jupyter.repository.pack import TARGET_BYTES, OpenPack, PackedBlob, pack_name
from vml_jupyter.repository.planning import HINT, Needed, Plan, make_plan
from vml_jupyter.repository.records import decode_snapshot
from vml_jupyter.repository.tracing import walk
from vml_jupyter.repository.verifying import verified

MAX_UNUSED_PERCENT = 5.0


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What pruning did, or, where ``dry_run``, would do; ``unused_bytes`` stay because moving costs more."""

    freed_bytes: int
    unused_bytes: int
    repacked_bytes: int
    packs_removed: int
    packs_repacked: int
    packs_kept: int
    dry_run: bool = False


def prune(
    depot: Depot,
    *,
    keep: Iterable[str] = (),
    max_unused_percent: float = MAX_UNUSED_PERCENT,
    dry_run: bool = False,
    progress: Progress = SILENT,
) -> Pruned:
    """Free what no snapshot needs; the caller holds the exclusive lock.

    Args:
        depot: The repository.
        keep: Trees that stay with all below them, though no snapshot names them.
        max_unused_percent: How much of what stays may be unused, in packs that hold something needed too.
        dry_run: Say what would be done, and do nothing.
        progress: Told the bytes moved.

    Raises:
        LogbookDamaged: Something cannot be read, so that it is not known what is needed; nothing was changed.
        LogbookLocked: The lock could not be renewed in time; nothing needed was removed.
        StoreUnreachable, DiskFull: It could not be finished; what is needed is there.
        Cancelled: The user ended it; likewise.
    """
    progress.stage("look", "Looking for what is needed")
    needed = _needed(depot, keep)
    contents = read_contents(depot.store, depot.documents)
    for name, why in contents.damaged.items():
        raise LogbookDamaged(f"{why} (index/{name[:12]}), so it is not known what is needed", HINT)
    plan = make_plan(contents, needed, max_unused_percent)
    written = 0
    if not dry_run and not plan.is_idle:
        plan, written = _carry_out(depot, contents, plan, progress)
    repacked = sum(pack_bytes(blobs) for blobs in plan.repack.values())
    gone = sum(contents.sizes.get(pack, 0) for pack in (*plan.unnamed, *plan.remove, *plan.repack))
    return Pruned(
        freed_bytes=gone - (repacked if dry_run else written),
        unused_bytes=plan.unused_bytes,
        repacked_bytes=repacked,
        packs_removed=len((plan.unnamed | plan.remove) & contents.sizes.keys()),
        packs_repacked=len(plan.repack),
        packs_kept=len(plan.keep),
        dry_run=dry_run,
    )


def _needed(depot: Depot, keep: Iterable[str]) -> Needed:
    """Return all blobs below every snapshot.

    Raises:
        LogbookDamaged: A snapshot or a tree cannot be read.
    """
    needed: Needed = {"data": set(), "tree": set()}
    for id, branches in walk(depot.read_trees, [*_roots(depot.documents), *keep]):
        if isinstance(branches, LogbookDamaged):
            raise LogbookDamaged(branches.message, HINT)
        needed["tree"].add(id)
        for branch in branches:
            if branch.content:
                needed["data"].update(branch.content)
    return needed


def _roots(documents: Documents) -> Iterator[str]:
    """Yield the tree of every snapshot, whoever wrote it; one that vanished must have been removed."""
    for id in list(documents.names("snapshots")):
        try:
            yield decode_snapshot(documents.load("snapshots", id), id).tree
        except FileNotFoundError:
            if id in documents.names("snapshots"):
                raise LogbookDamaged(f"snapshots/{id} is there and cannot be read", HINT) from None
        except LogbookDamaged as error:
            raise LogbookDamaged(f"{error.message}, so it is not known what is needed", HINT) from error


def _carry_out(depot: Depot, contents: Contents, plan: Plan, progress: Progress) -> tuple[Plan, int]:
    """Do it, in the order that the module's beginning gives; return what was done, and the bytes of new packs."""
    for pack in plan.unnamed:  # which makes room for what follows
        depot.locks.require_alive()
        depot.store.delete(pack_name(pack))
    plan, new = _moved(depot, contents, plan, progress)
    progress.stage("index", "Writing the index")
    kept = [IndexPack(pack, blobs) for pack, blobs in plan.keep.items()]
    for packs in split([*kept, *new]):
        depot.documents.save("index", encode_index(packs))
    depot.locks.require_held()
    for name in contents.files:
        depot.locks.require_alive()
        depot.documents.delete("index", name)
    progress.stage("remove", "Removing what is not needed")
    gone = [*plan.remove, *plan.repack]
    for done, pack in enumerate(gone):
        depot.locks.require_alive()
        depot.store.delete(pack_name(pack))
        progress.advance(done + 1, len(gone), "packs")
    return plan, sum(pack_bytes(pack.blobs) for pack in new)


def _moved(depot: Depot, contents: Contents, plan: Plan, progress: Progress) -> tuple[Plan, list[IndexPack]]:
    """Move what is needed; where there is no room for that, go on without, as what can be removed makes some."""
    try:
        return plan, _repack(depot, plan, progress)
    except DiskFull:
        if not plan.remove:
            raise
        progress.note(
            "there is no room to move what is needed; what is not is removed first: run `vml prune` again"
        )
        return plan.without_repacking(contents.packs()), []


def _repack(depot: Depot, plan: Plan, progress: Progress) -> list[IndexPack]:
    """Copy blobs, sealed as they are, into new packs; each is looked into before the old one goes."""
    progress.stage("repack", "Moving what is needed")
    total = sum(blob.length for blobs in plan.repack.values() for blob in blobs)
    moving = {kind: OpenPack(kind) for kind in ("data", "tree")}
    new: list[IndexPack] = []
    done = 0
    try:
        for blob, sealed in _sealed(depot, plan):
            pack = moving[blob.type]
            pack.append(blob.id, (b"", bytes(sealed), b""), blob.uncompressed_length)
            done += blob.length
            progress.advance(done, total, "bytes")
            if pack.size_bytes >= TARGET_BYTES:
                moving[blob.type] = OpenPack(blob.type)
                new.append(_store(depot, pack))
        for pack in moving.values():
            if pack.blobs:
                new.append(_store(depot, pack))
    except VmlError:
        with suppress(VmlError):
            for stored in new:  # no index file names them, and they would take the room that is missing
                depot.store.delete(pack_name(stored.id))
        raise
    return new


def _sealed(depot: Depot, plan: Plan) -> Iterator[tuple[PackedBlob, memoryview]]:
    for pack, blobs in plan.repack.items():
        try:
            yield from verified(depot.store, depot.key, pack, blobs)
        except (FileNotFoundError, ValueError) as error:
            raise LogbookDamaged(f"{pack_name(pack)} cannot be moved: {error}", HINT) from error


def _store(depot: Depot, pack: OpenPack) -> IndexPack:
    id, pieces = pack.close(depot.key)
    depot.store.put(pack_name(id), pieces)
    return IndexPack(id, pack.blobs)
