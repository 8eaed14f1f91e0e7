"""Whole files of a repository that are sealed: config, index, snapshots, locks.

    <folder>/<id> = seal(encoding(JSON))

Each is named by the SHA-256 of its own bytes, but for ``config``, of which there is one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Forged, Key
from vml_jupyter.repository.copies import Copies
from vml_jupyter.repository.store import Store

_ID = re.compile("[0-9a-f]{64}")
_DAMAGED_HINT = "Run `vml check --read-data`, or `restic check --read-data`, to see how far the damage goes"


class Documents:
    """Read and write documents of one repository.

    Args:
        store: Where they are.
        key: What they are sealed with.
        version: The format's, 1 or 2.
        copies: Where copies of index files are kept, if they are.
    """

    def __init__(self, store: Store, key: Key, version: int, copies: Copies | None = None) -> None:
        self._store = store
        self._key = key
        self.version = version
        self.label = store.label
        self._copies = copies

    def save(self, folder: str, json: bytes) -> str:
        """Write a document and return its id."""
        sealed = self.seal(json)
        id = hashlib.sha256(sealed).hexdigest()
        self._store.put(f"{folder}/{id}", [sealed])
        if self._copies and folder == "index":
            self._copies.put(id, sealed)
        return id

    def seal(self, json: bytes) -> bytes:
        """Return a document as it is stored."""
        return b"".join(self._key.seal(encoding.encode_document(json, self.version)))

    def unseal(self, sealed: bytes) -> bytes:
        """Undo ``seal``.

        Raises:
            LogbookDamaged: It was cut, altered, or sealed with another key.
        """
        return decode_sealed(self._key, sealed, "a sealed document")

    def load(self, folder: str, id: str) -> bytes:
        """Return the JSON of a document.

        Raises:
            FileNotFoundError: There is none of this id.
            LogbookDamaged: Its bytes are not what was written.
        """
        return self._opened(folder, id, self._store.get(f"{folder}/{id}"))

    def load_index(self, id: str) -> bytes:
        """Return what ``load`` would of an index file, from a copy where there is one."""
        if self._copies is None:
            return self.load("index", id)
        sealed = self._copies.get(id)
        if sealed is not None:
            return self._opened("index", id, sealed)
        sealed = self._store.get(f"index/{id}")
        json = self._opened("index", id, sealed)
        self._copies.put(id, sealed)
        return json

    def _opened(self, folder: str, id: str, sealed: bytes) -> bytes:
        if hashlib.sha256(sealed).hexdigest() != id:
            raise LogbookDamaged(f"{folder}/{id} in {self._store.label} is cut or altered", _DAMAGED_HINT)
        return decode_sealed(self._key, sealed, f"{folder}/{id} in {self._store.label}")

    def is_empty(self, folder: str, id: str) -> bool:
        return not self._store.get(f"{folder}/{id}")

    def names(self, folder: str) -> Iterator[str]:
        """Yield the ids in ``folder``; what is named otherwise is no document."""
        return (name for name in self._store.list(folder) if is_id(name))

    def times(self, folder: str) -> dict[str, float]:
        """Return for each id when it was stored, in seconds, by the store's own clock."""
        return {name: stored_s for name, stored_s in self._store.times(folder) if is_id(name)}

    def versions(self, folder: str) -> Iterator[int]:
        """Yield for each document that opens the version of the format in which it is written."""
        for id in list(self.names(folder)):
            with suppress(FileNotFoundError, Forged):
                yield encoding.document_version(self._key.open(self._store.get(f"{folder}/{id}")))

    def delete(self, folder: str, id: str) -> None:
        self._store.delete(f"{folder}/{id}")


def decode_sealed(key: Key, sealed: bytes, what: str) -> bytes:
    """Open a sealed document.

    Raises:
        LogbookDamaged: The tag or the encoding does not fit.
    """
    try:
        return encoding.decode_document(key.open(sealed))
    except Forged:
        raise LogbookDamaged(
            f"{what} was altered: its authentication code does not fit", _DAMAGED_HINT
        ) from None
    except encoding.Unreadable as error:
        raise LogbookDamaged(f"{what} cannot be read: {error}", _DAMAGED_HINT) from error


def is_id(name: str) -> bool:
    """Tell whether ``name`` is 64 lower-case hex digits."""
    return _ID.fullmatch(name) is not None
