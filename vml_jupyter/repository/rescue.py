"""Find blobs that the index does not lead to any more.

    index file damaged or gone  ->  packs that no index file names  ->  their own headers  ->  places
    pack damaged or gone        ->  another pack with the same blob, as two writers may have left it

Asked only after a blob could not be read, so it costs nothing where nothing is hurt.
"""

from __future__ import annotations

import threading

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.contents import BlobKey, Place, places_of, read_contents, read_headers
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.index import Index
from vml_jupyter.repository.pack import Kind
from vml_jupyter.repository.store import Store


class Rescue:
    """Other places of blobs, looked up once. Safe between threads."""

    def __init__(self, store: Store, key: Key, documents: Documents, index: Index) -> None:
        self._store = store
        self._key = key
        self._documents = documents
        self._index = index
        self._mutex = threading.Lock()
        self._places: dict[BlobKey, list[Place]] | None = None

    def places(self, kind: Kind, id: str) -> list[Place]:
        """Return where a blob may be read, but for the place that the index names."""
        with self._mutex:
            if self._places is None:
                self._places = self._look()
            return self._places.get((kind, id), [])

    def forget(self) -> None:
        """Look anew the next time: packs or index files may have changed."""
        self._places = None

    def _look(self) -> dict[BlobKey, list[Place]]:
        contents = read_contents(self._store, self._documents)
        packs = contents.packs()
        unnamed = contents.sizes.keys() - packs.keys()
        for pack, blobs in read_headers(self._store, self._key, contents.sizes, unnamed):
            if not isinstance(blobs, LogbookDamaged):
                packs[pack] = blobs
        places = places_of(packs)
        others = (
            (blob, [place for place in found if place != self._index.place(*blob)])
            for blob, found in places.items()
        )
        return {blob: found for blob, found in others if found}
