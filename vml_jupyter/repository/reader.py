"""The way out: a blob's id becomes its bytes, checked by the id itself.

    blob id -> index -> range of a pack -> open the seal -> zstd -> SHA-256 = id

What does not fit is damaged, and says which pack holds it.
"""

from __future__ import annotations

import hashlib

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.index import Index
from vml_jupyter.repository.pack import Kind, PackedBlob, pack_name
from vml_jupyter.repository.store import Store

_HINT = "Run `restic check --read-data` on the logbook; what was written before and after may be whole"


class Reader:
    """Reads blobs. Safe between threads."""

    def __init__(self, store: Store, key: Key, index: Index) -> None:
        self._store = store
        self._key = key
        self._index = index

    def size(self, id: str, kind: Kind) -> int:
        return self._place(id, kind)[1].plain_length

    def read(self, id: str, kind: Kind) -> bytes:
        """Return a blob's bytes.

        Raises:
            LogbookDamaged: It is nowhere, or its bytes are not those that were written.
        """
        pack, blob = self._place(id, kind)
        try:
            sealed = self._fetch(pack, blob)
        except FileNotFoundError:
            # ``prune`` moves blobs to other packs, compressed perhaps, while we hold an old index.
            self._index.refresh()
            pack, blob = self._place(id, kind)
            sealed = self._fetch_or_fail(pack, blob)
        plain = self._unpack(sealed, id, pack, blob)
        if hashlib.sha256(plain).hexdigest() != id:
            raise self._damaged(id, pack, "its content is not what its name says")
        return plain

    def _place(self, id: str, kind: Kind) -> tuple[str, PackedBlob]:
        place = self._index.place(kind, id)
        if place is None:
            self._index.refresh()
            place = self._index.place(kind, id)
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
