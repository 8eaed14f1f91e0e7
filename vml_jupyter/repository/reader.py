"""The way out: a blob's id becomes its bytes, checked by the id itself.

    blob id -> index -> range of a pack -> open the seal -> zstd -> SHA-256 = id

What does not fit is damaged, and says which pack holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Buffer, Forged, Key
from vml_jupyter.repository.index import Index
from vml_jupyter.repository.pack import Kind, PackedBlob, pack_name
from vml_jupyter.repository.store import Store
from vml_jupyter.repository.turn import turn

_HINT = "Run `vml check --read-data` to see what else is hurt; the rest can be restored"


_RANGE_BYTES = 4 << 20
_Place = tuple[str, PackedBlob]


class Reader:
    """Reads blobs. Safe between threads."""

    def __init__(
        self, store: Store, key: Key, index: Index, elsewhere: Callable[[Kind, str], list[_Place]]
    ) -> None:
        self._store = store
        self._key = key
        self._index = index
        self._elsewhere = elsewhere

    def size(self, id: str, kind: Kind) -> int:
        return self._place(id, kind)[1].plain_length

    def read(self, id: str, kind: Kind) -> bytes:
        """Return a blob's bytes.

        Raises:
            LogbookDamaged: It is nowhere, or its bytes are not those that were written.
        """
        try:
            return self._read(id, kind)
        except LogbookDamaged:
            for pack, blob in self._elsewhere(kind, id):
                with suppress(LogbookDamaged):
                    return self._checked(self._fetch_or_fail(pack, blob), pack, blob)
            raise

    def _read(self, id: str, kind: Kind) -> bytes:
        pack, blob = self._place(id, kind)
        try:
            sealed = self._fetch(pack, blob)
        except FileNotFoundError:
            # ``prune`` moves blobs to other packs, compressed perhaps, while we hold an old index.
            self._index.refresh()
            pack, blob = self._place(id, kind)
            sealed = self._fetch_or_fail(pack, blob)
        return self._checked(sealed, pack, blob)

    def _checked(self, sealed: bytes, pack: str, blob: PackedBlob) -> bytes:
        plain = self._unpack(sealed, blob.id, pack, blob)
        if hashlib.sha256(plain).hexdigest() != blob.id:
            raise self._damaged(blob.id, pack, "its content is not what its name says")
        return plain

    def read_all(self, ids: Sequence[str], kind: Kind) -> list[Buffer]:
        """Return the bytes of several blobs; those that lie side by side are fetched together.

        Raises:
            LogbookDamaged: One is nowhere, or its bytes are not those that were written.
        """
        if len(ids) < 2:
            return [self.read(id, kind) for id in ids]
        try:
            with turn():
                opened = self._open_all({self._place(id, kind) for id in ids})
            plain = self._decompress_all(opened)
            with turn():
                sound = all(hashlib.sha256(data).hexdigest() == id for id, data in plain.items())
        except (FileNotFoundError, Forged, encoding.Unreadable, LogbookDamaged):
            sound = False
        if not sound:
            return [self.read(id, kind) for id in ids]  # which finds what was moved and names what is damaged
        return [plain[id] for id in ids]

    def _open_all(self, places: set[_Place]) -> dict[str, tuple[bytes, int]]:
        """Fetch and decrypt blobs; each comes with its plain length if it is compressed, else with 0."""
        opened: dict[str, tuple[bytes, int]] = {}
        for pack, blobs in _side_by_side(places):
            start = blobs[0].offset
            end = blobs[-1].offset + blobs[-1].length
            sealed = memoryview(self._store.get_range(pack_name(pack), start, end - start))
            for blob in blobs:
                piece = sealed[blob.offset - start : blob.offset - start + blob.length]
                opened[blob.id] = self._key.open(piece), blob.uncompressed_length
        return opened

    def _decompress_all(self, opened: dict[str, tuple[bytes, int]]) -> dict[str, Buffer]:
        plain: dict[str, Buffer] = {id: data for id, (data, size) in opened.items() if not size}
        small = [(id, data, size) for id, (data, size) in opened.items() if size]
        frames, sizes = [data for _, data, _ in small], [size for _, _, size in small]
        large = encoding.decompress_all(frames, sizes)
        plain.update((id, data) for (id, _, _), data in zip(small, large, strict=True))
        return plain

    def _place(self, id: str, kind: Kind) -> _Place:
        place = self._index.place(kind, id)
        if place is None:
            self._index.refresh()
            place = self._index.place(kind, id)
        if place is None:
            place = next(iter(self._elsewhere(kind, id)), None)
        if place is None:
            raise LogbookDamaged(f"the {kind} blob {id[:12]} is missing in {self._store.label}", _HINT)
        return place

    def _fetch(self, pack: str, blob: PackedBlob) -> bytes:
        return self._store.get_range(pack_name(pack), blob.offset, blob.length)

    def _fetch_or_fail(self, pack: str, blob: PackedBlob) -> bytes:
        try:
            return self._fetch(pack, blob)
        except FileNotFoundError:
            raise self._damaged(blob.id, pack, "the pack is missing") from None

    def _unpack(self, sealed: bytes, id: str, pack: str, blob: PackedBlob) -> bytes:
        try:
            plain = self._key.open(sealed)
            if blob.uncompressed_length:
                return encoding.decompress(plain, blob.uncompressed_length)
            return plain
        except Forged:
            raise self._damaged(id, pack, "it was cut or altered") from None
        except encoding.Unreadable as error:
            raise self._damaged(id, pack, str(error)) from error

    def _damaged(self, id: str, pack: str, why: str) -> LogbookDamaged:
        return LogbookDamaged(
            f"blob {id[:12]} in {pack_name(pack)} of {self._store.label} is damaged: {why}", _HINT
        )


def _side_by_side(places: set[_Place]) -> Iterator[tuple[str, list[PackedBlob]]]:
    """Group blobs that follow one another in a pack, up to a few MiB."""
    pack, run, end, start = "", list[PackedBlob](), 0, 0
    for next_pack, blob in sorted(places, key=lambda place: (place[0], place[1].offset)):
        if run and (next_pack, blob.offset) == (pack, end) and end - start < _RANGE_BYTES:
            run.append(blob)
        else:
            if run:
                yield pack, run
            pack, run, start = next_pack, [blob], blob.offset
        end = blob.offset + blob.length
    if run:
        yield pack, run
