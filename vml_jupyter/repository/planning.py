"""Which packs a prune removes, which it empties into new ones, and which stay.

    needed blobs + what the index files say  ->  remove | repack | keep

Nothing is read but what is in memory already, and nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.contents import Contents
from vml_jupyter.repository.header import pack_bytes
from vml_jupyter.repository.pack import Kind, PackedBlob

HINT = (
    "Nothing was changed. `vml check --read-data` shows what is hurt; `vml check --repair-index` may mend it"
)
Needed = dict[Kind, set[str]]


@dataclass
class Plan:
    """Which packs go, and of each that is repacked the blobs that must stay.

    ``unnamed`` are packs that go and that no index file names.
    """

    unnamed: set[str] = field(default_factory=set)
    remove: set[str] = field(default_factory=set)
    repack: dict[str, list[PackedBlob]] = field(default_factory=dict)
    keep: dict[str, list[PackedBlob]] = field(default_factory=dict)
    unused_bytes: int = 0

    @property
    def is_idle(self) -> bool:
        return not self.unnamed and not self.remove and not self.repack

    def without_repacking(self, named: dict[str, list[PackedBlob]]) -> Plan:
        """Return the plan for a disk on which there is no room to move anything."""
        keep = {**self.keep, **{pack: named[pack] for pack in self.repack}}
        return replace(self, repack={}, keep=keep)


def make_plan(contents: Contents, needed: Needed, max_unused_percent: float) -> Plan:
    """Decide what happens to each pack.

    Raises:
        LogbookDamaged: Something needed is nowhere.
    """
    named = contents.packs()
    present = {pack: blobs for pack, blobs in named.items() if pack in contents.sizes}
    used = _assign(present, needed)
    plan = Plan(unnamed=contents.sizes.keys() - named.keys(), remove=named.keys() - present.keys())
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


def _assign(packs: dict[str, list[PackedBlob]], needed: Needed) -> dict[str, list[PackedBlob]]:
    """Give each needed blob to one pack: where there are several, to the one of which most is needed."""
    missing: Needed = {kind: set(ids) for kind, ids in needed.items()}
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
                f"{len(ids)} {kind} blobs that snapshots need are missing, such as {min(ids)[:12]}", HINT
            )
    return used


def _share(blobs: list[PackedBlob], needed: Needed) -> tuple[float, int]:
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
