"""Free the room of what no snapshot needs.

    snapshots -> trees -> blobs that are needed
    packs without any    -> removed
    packs with too few   -> their needed blobs go to new packs, then removed
    the others           -> stay, with what is unused in them

The order makes a crash at any byte harmless: new packs, new index files, then the old index files are removed,
then the old packs. Until the old index is gone nothing that it names is; after that nothing needs the old packs.
The lock is exclusive, every snapshot must be readable, and whatever is not understood ends it before the first
change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository.contents import Contents, Depot, read_contents
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.header import pack_bytes
from vml_jupyter.repository.index import IndexPack, encode_index, split
from vml_jupyter.repository.pack import TARGET_BYTES, Kind, OpenPack, PackedBlob, pack_name
from vml_jupyter.repository.records import decode_snapshot
from vml_jupyter.repository.tracing import walk
from vml_jupyter.repository.verifying import verified

MAX_UNUSED_PERCENT = 5.0
_HINT = (
    "Nothing was changed. `vml check --read-data` shows what is hurt; `vml check --repair-index` may mend it"
)
_Needed = dict[Kind, set[str]]


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What pruning did, or, where ``dry_run``, would do; ``unused_bytes`` stay because moving costs more."""

    freed_bytes: int
    unused_bytes: int
    repacked_bytes: int
    packs_removed: int
    packs_repacked: int
    packs_kept: int
    dry_run: bool = False


@dataclass
class Plan:
    """Which packs go, and of each that is repacked the blobs that must stay."""

    remove: set[str] = field(default_factory=set)
    repack: dict[str, list[PackedBlob]] = field(default_factory=dict)
    keep: dict[str, list[PackedBlob]] = field(default_factory=dict)
    unused_bytes: int = 0

    @property
    def is_idle(self) -> bool:
        return not self.remove and not self.repack


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
        raise LogbookDamaged(f"{why} (index/{name[:12]}), so it is not known what is needed", _HINT)
    plan = make_plan(contents, needed, max_unused_percent)
    written = 0 if dry_run or plan.is_idle else _carry_out(depot, contents, plan, progress)
    repacked = sum(pack_bytes(blobs) for blobs in plan.repack.values())
    gone = sum(contents.sizes.get(pack, 0) for pack in (*plan.remove, *plan.repack))
    return Pruned(
        freed_bytes=gone - (repacked if dry_run else written),
        unused_bytes=plan.unused_bytes,
        repacked_bytes=repacked,
        packs_removed=len(plan.remove & contents.sizes.keys()),
        packs_repacked=len(plan.repack),
        packs_kept=len(plan.keep),
        dry_run=dry_run,
    )


def _needed(depot: Depot, keep: Iterable[str]) -> _Needed:
    """Return all blobs below every snapshot.

    Raises:
        LogbookDamaged: A snapshot or a tree cannot be read.
    """
    needed: _Needed = {"data": set(), "tree": set()}
    for id, branches in walk(depot.read_trees, [*_roots(depot.documents), *keep]):
        if isinstance(branches, LogbookDamaged):
            raise LogbookDamaged(branches.message, _HINT)
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
                raise LogbookDamaged(f"snapshots/{id} is there and cannot be read", _HINT) from None
        except LogbookDamaged as error:
            raise LogbookDamaged(f"{error.message}, so it is not known what is needed", _HINT) from error


def make_plan(contents: Contents, needed: _Needed, max_unused_percent: float) -> Plan:
    """Decide what happens to each pack.

    Raises:
        LogbookDamaged: Something needed is nowhere.
    """
    named = contents.packs()
    present = {pack: blobs for pack, blobs in named.items() if pack in contents.sizes}
    used = _assign(present, needed)
    plan = Plan(remove=contents.sizes.keys() - present.keys() | named.keys() - present.keys())
    partly: list[tuple[float, int, str]] = []
    used_bytes = 0
    for pack, blobs in present.items():
        in_use = sum(blob.length for blob in used[pack])
        unused = contents.sizes[pack] - pack_bytes(used[pack]) if used[pack] else 0
        used_bytes += in_use
        if not used[pack]:
            plan.remove.add(pack)
        elif unused or contents.sizes[pack] != pack_bytes(blobs):
            partly.append((unused / in_use, unused, pack))
        plan.keep[pack] = blobs
    _choose(plan, partly, used, used_bytes * max_unused_percent / max(100.0 - max_unused_percent, 1e-9))
    for pack in (*plan.remove, *plan.repack):
        plan.keep.pop(pack, None)
    return plan


def _assign(packs: dict[str, list[PackedBlob]], needed: _Needed) -> dict[str, list[PackedBlob]]:
    """Give each needed blob to one pack: where there are several, to the one of which most is needed."""
    missing: _Needed = {kind: set(ids) for kind, ids in needed.items()}
    used: dict[str, list[PackedBlob]] = {}
    shares = {pack: _share(blobs, needed) for pack, blobs in packs.items()}
    for pack in sorted(packs, key=lambda pack: shares[pack], reverse=True):
        used[pack] = []
        for blob in packs[pack]:
            if blob.id in missing[blob.type]:
                missing[blob.type].discard(blob.id)
                used[pack].append(blob)
    for kind, ids in missing.items():
        if ids:
            raise LogbookDamaged(
                f"{len(ids)} {kind} blobs that snapshots need are missing, such as {min(ids)[:12]}", _HINT
            )
    return used


def _share(blobs: list[PackedBlob], needed: _Needed) -> tuple[float, int]:
    """Return how much of a pack is needed: as a part of it, and in bytes."""
    in_use = sum(blob.length for blob in blobs if blob.id in needed[blob.type])
    return in_use / max(sum(blob.length for blob in blobs), 1), in_use


def _choose(
    plan: Plan, partly: list[tuple[float, int, str]], used: dict[str, list[PackedBlob]], limit_bytes: float
) -> None:
    """Repack those of which least is needed, until what is unused in the others is within the limit."""
    plan.unused_bytes = sum(unused for _, unused, _ in partly)
    for _, unused, pack in sorted(partly, reverse=True):
        if plan.unused_bytes <= limit_bytes:
            break
        plan.repack[pack] = used[pack]
        plan.unused_bytes -= unused


def _carry_out(depot: Depot, contents: Contents, plan: Plan, progress: Progress) -> int:
    """Do it, in the order that the module's beginning gives, and return the bytes of new packs."""
    new, written = _repack(depot, plan, progress)
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
    return written


def _repack(depot: Depot, plan: Plan, progress: Progress) -> tuple[list[IndexPack], int]:
    """Copy blobs, sealed as they are, into new packs; each is looked into before the old one goes."""
    progress.stage("repack", "Moving what is needed")
    total = sum(blob.length for blobs in plan.repack.values() for blob in blobs)
    moving = {kind: OpenPack(kind) for kind in ("data", "tree")}
    new: list[IndexPack] = []
    written = done = 0
    for blob, sealed in _sealed(depot, plan):
        pack = moving[blob.type]
        pack.append(blob.id, (b"", bytes(sealed), b""), blob.uncompressed_length)
        done += blob.length
        progress.advance(done, total, "bytes")
        if pack.size_bytes >= TARGET_BYTES:
            new.append(_store(depot, pack))
            moving[blob.type] = OpenPack(blob.type)
    new += [_store(depot, pack) for pack in moving.values() if pack.blobs]
    written = sum(pack_bytes(pack.blobs) for pack in new)
    return new, written


def _sealed(depot: Depot, plan: Plan) -> Iterator[tuple[PackedBlob, memoryview]]:
    for pack, blobs in plan.repack.items():
        try:
            yield from verified(depot.store, depot.key, pack, blobs)
        except (FileNotFoundError, ValueError) as error:
            raise LogbookDamaged(f"{pack_name(pack)} cannot be moved: {error}", _HINT) from error


def _store(depot: Depot, pack: OpenPack) -> IndexPack:
    id, pieces = pack.close(depot.key)
    depot.store.put(pack_name(id), pieces)
    return IndexPack(id, pack.blobs)
