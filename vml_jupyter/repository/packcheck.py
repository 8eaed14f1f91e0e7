"""Compare packs with the index, and read them through where that is asked for or something does not fit.

index: pack -> blobs    size, header, bytes of the pack itself    ->    reasons by pack, blobs that are hurt in it
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vml_jupyter.errors import LogbookDamaged, StoreUnreachable
from vml_jupyter.progress import Progress
from vml_jupyter.repository.contents import BlobKey, Contents, Depot, read_headers
from vml_jupyter.repository.header import pack_bytes
from vml_jupyter.repository.pack import Kind, PackedBlob
from vml_jupyter.repository.verifying import Verdict, verify_blobs, verify_pack

_Where = dict[Kind, dict[str, str | tuple[str, ...]]]


@dataclass
class Hurt:
    """What is wrong with the packs: reasons by pack, and the places where a blob should be and is not whole."""

    reasons: dict[str, list[str]] = field(default_factory=dict)
    places: dict[str, set[BlobKey]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def add(self, pack: str, why: str, blobs: Iterable[PackedBlob] = ()) -> None:
        reasons = self.reasons.setdefault(pack, [])
        if why not in reasons:
            reasons.append(why)
        self.places.setdefault(pack, set()).update((blob.type, blob.id) for blob in blobs)


class PackCheck:
    """Compare packs with what the index says, and read those that are suspect, or all.

    Args:
        depot: Where they lie.
        contents: What is there and what the index says.
    """

    def __init__(self, depot: Depot, contents: Contents) -> None:
        self._depot = depot
        self._contents = contents
        self.named = contents.packs()
        self.unnamed: dict[str, list[PackedBlob]] = {}
        self.hurt = Hurt()
        self.read_bytes = 0
        self._where: _Where | None = None

    def compare(self, headers: bool) -> None:
        """Compare sizes, and with ``headers`` what the packs say of themselves."""
        sizes = self._contents.sizes
        for pack, blobs in self.named.items():
            if pack not in sizes:
                self.hurt.missing.add(pack)
                self.hurt.add(pack, "it is missing", blobs)
            elif sizes[pack] != pack_bytes(blobs):
                self.hurt.add(pack, f"it has {sizes[pack]} bytes instead of {pack_bytes(blobs)}")
        whole = (pack for pack in self.named if pack not in self.hurt.reasons)
        unnamed = (pack for pack in sizes if pack not in self.named)
        for pack, said in self._headers(itertools.chain(unnamed, whole if headers else ())):
            if isinstance(said, LogbookDamaged):
                self.hurt.add(pack, said.message)
            elif pack not in self.named:
                self.unnamed[pack] = said
            elif set(said) != set(self.named[pack]):
                self.hurt.add(pack, "its header does not list what the index does")

    def read(self, packs: Iterable[str], progress: Progress) -> None:
        """Read packs through, on all cores."""
        sizes = self._contents.sizes
        wanted = sorted(pack for pack in packs if pack in sizes)
        total = sum(sizes[pack] for pack in wanted)
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="vml-check") as pool:
            for pack, verdict in zip(wanted, pool.map(self._verify, wanted), strict=True):
                self._judge(pack, verdict)
                self.read_bytes += sizes[pack]
                progress.advance(self.read_bytes, total, "bytes")

    def suspects(self) -> set[str]:
        return set(self.hurt.reasons) - self.hurt.missing

    def blobs(self) -> dict[str, list[PackedBlob]]:
        """Return all packs of which it is known what should be in them."""
        return {**self.named, **self.unnamed}

    def examine(self, kind: Kind, id: str) -> None:
        """Read one blob at each of its places, and note where it is hurt."""
        for pack in self.packs_of(kind, id):
            blobs = [blob for blob in self.blobs()[pack] if (blob.type, blob.id) == (kind, id)]
            if pack not in self.hurt.missing:
                for blob, why in verify_blobs(self._depot.store, self._depot.key, pack, blobs):
                    self.hurt.add(pack, why, [blob])

    def is_lost(self, kind: Kind, id: str) -> bool:
        """Tell whether a blob is whole at none of its places."""
        return all((kind, id) in self.hurt.places.get(pack, ()) for pack in self.packs_of(kind, id))

    def packs_of(self, kind: Kind, id: str) -> tuple[str, ...]:
        """Return every pack that should hold a blob."""
        if self._where is None:
            self._where = _where(self.blobs())
        found = self._where[kind].get(id, ())
        return (found,) if isinstance(found, str) else found

    def _headers(self, packs: Iterable[str]) -> Iterable[tuple[str, list[PackedBlob] | LogbookDamaged]]:
        return read_headers(self._depot.store, self._depot.key, self._contents.sizes, packs)

    def _verify(self, pack: str) -> Verdict | None:
        blobs = self.named.get(pack) or self.unnamed.get(pack) or []
        try:
            return verify_pack(self._depot.store, self._depot.key, pack, self._contents.sizes[pack], blobs)
        except FileNotFoundError:
            return None
        except StoreUnreachable as error:
            if self._depot.store.is_remote:
                raise
            return Verdict(
                True, [(blob, error.message) for blob in blobs]
            )  # a bad sector, not the whole disk

    def _judge(self, pack: str, verdict: Verdict | None) -> None:
        if verdict is None:
            self.hurt.missing.add(pack)
            self.hurt.add(pack, "it is missing", self.named.get(pack, ()))
            return
        for blob, why in verdict.faults:
            self.hurt.add(pack, why, [blob])
        if verdict.altered and pack not in self.hurt.reasons:
            self.hurt.add(pack, "its bytes are not those that were written, though every blob is whole")


def _where(packs: dict[str, list[PackedBlob]]) -> _Where:
    """Return the pack of each blob; a tuple of packs only where there are several, for there are many blobs."""
    where: _Where = {"data": {}, "tree": {}}
    for pack, blobs in packs.items():
        for blob in blobs:
            before = where[blob.type].setdefault(blob.id, pack)
            if before != pack:
                several = (before,) if isinstance(before, str) else before
                where[blob.type][blob.id] = tuple(dict.fromkeys((*several, pack)))
    return where
