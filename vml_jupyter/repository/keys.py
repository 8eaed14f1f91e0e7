"""The passwords of a repository: each has a key file, and every key file holds the same master key.

    keys/<id>   opened with one password, gives the master key

So a password is given or taken without touching anything else. Taking one does not change the master key: who
copied the key file before can still read with it, as in restic.
"""

from __future__ import annotations

import msgspec

from vml_jupyter.errors import Ambiguous, LogbookDamaged, NotFound, Usage
from vml_jupyter.repository import keyfile, opening
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.documents import is_id
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.store import Store

_SHORTEST = 2


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One password's key, as told to people; ``damage`` says why it opens nothing."""

    id: str
    user: str = ""
    host: str = ""
    created: str = ""
    current: bool = False
    damage: str = ""


class Keys:
    """The key files of one repository, opened with one of them."""

    def __init__(self, store: Store, key: Key, locks: Locks) -> None:
        self._store = store
        self._key = key
        self._locks = locks

    def list(self) -> list[KeyRecord]:
        """Return all keys, oldest first."""
        found = (self._load(id) for id in sorted(self._store.list("keys")) if is_id(id))
        return sorted((record for record in found if record), key=lambda record: record.created)

    def add(self, password: str, scrypt_n: int | None = None) -> KeyRecord:
        """Give the repository one more password.

        Raises:
            Usage: It is empty.
            LogbookLocked: Somebody holds the repository exclusively.
        """
        if not password:
            raise Usage("the new password is empty", "Choose one that others do not guess")
        with self._locks.hold():
            id = opening.add_key(self._store, self._key, password, scrypt_n)
        return next(record for record in self.list() if record.id == id)

    def remove(self, prefix: str) -> KeyRecord:
        """Take a password away: the one whose key's id begins so.

        Raises:
            NotFound: None does.
            Ambiguous: Several do.
            Usage: It is the key in use, without which nobody could undo it.
            LogbookLocked: Somebody works on the repository.
        """
        with self._locks.hold(exclusive=True):
            record = self._find(prefix)
            if record.current:
                raise Usage(
                    f"the key {record.id[:8]} is the one in use",
                    "Open the logbook with another password to remove this one",
                )
            self._require_current()
            self._store.delete(f"keys/{record.id}")
        return record

    def _find(self, prefix: str) -> KeyRecord:
        if len(prefix) < _SHORTEST:
            raise NotFound(f"{prefix!r} is too short for a key's id", "Give at least two characters")
        matches = [record for record in self.list() if record.id.startswith(prefix)]
        if not matches:
            raise NotFound(f"{self._store.label} has no key {prefix}", "See `vml key list`")
        if len(matches) > 1:
            raise Ambiguous(f"{prefix} begins the ids of {len(matches)} keys", "Give more of the id")
        return matches[0]

    def _require_current(self) -> None:
        """Keep the last key: the one in use may have been removed by somebody else since."""
        if not any(record.current and not record.damage for record in self.list()):
            raise Usage(
                "the key in use was removed meanwhile, so this one may be the last",
                "Open the logbook with a password that is to stay",
            )

    def _load(self, id: str) -> KeyRecord | None:
        current = id == self._key.file
        try:
            record = keyfile.load_key_file(self._store, id)
        except FileNotFoundError:
            return None
        except LogbookDamaged as error:
            return KeyRecord(id=id, current=current, damage=error.message)
        return KeyRecord(
            id=id, user=record.username, host=record.hostname, created=record.created, current=current
        )
