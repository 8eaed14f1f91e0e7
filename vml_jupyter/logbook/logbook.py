"""The logbook: dated entries in a restic repository, ours among whatever else lies there.

    snapshots/<id>   tagged ``vml`` and ``entry:<entry id>``; see ``document`` for what is in it

An entry keeps its id when it is edited: the new snapshot is written first, names the one that it replaces,
and then that one is removed. A crash between the two leaves both, and the replaced one is not shown.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from vml_jupyter.errors import Ambiguous, LogbookDamaged, NotFound
from vml_jupyter.logbook import document
from vml_jupyter.model import Entry
from vml_jupyter.repository import Repository, Snapshot
from vml_jupyter.repository.identity import hostname, username

_SHORTEST = 2
_Self = TypeVar("_Self", bound="Logbook")


class Logbook:
    """Entries, newest first, in one repository."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self._entries: dict[str, Entry] = {}
        self._mutex = threading.Lock()

    @classmethod
    def create(cls: type[_Self], url: str, password: str, *, scrypt_n: int | None = None) -> _Self:
        """Make a new logbook; arguments and errors as for ``Repository.create``."""
        return cls(Repository.create(url, password, scrypt_n=scrypt_n))

    @classmethod
    def open(cls: type[_Self], url: str, password: str) -> _Self:
        """Open a logbook, which may be any restic repository; errors as for ``Repository.open``."""
        return cls(Repository.open(url, password))

    def close(self) -> None:
        self.repository.close()

    def entries(self) -> list[Entry]:
        """Return all entries, newest first; snapshots that are no entries are passed over.

        Raises:
            LogbookDamaged: The record of an entry cannot be read.
        """
        found = map(self._load, _current(self.repository.snapshots()))
        return sorted(found, key=lambda entry: (entry.time, entry.id), reverse=True)

    def find(self, prefix_or_id: str) -> Entry:
        """Return the one entry whose id, or whose snapshot's id, begins so.

        Raises:
            NotFound: None does.
            Ambiguous: Several do.
        """
        if len(prefix_or_id) < _SHORTEST:
            raise NotFound(f"{prefix_or_id!r} is too short for an entry's id", "Give at least two characters")
        return self._load(self._snapshot(prefix_or_id))

    def add(self, entry: Entry, tree: str) -> Entry:
        """Write an entry and return it with its location.

        Hold ``repository.lock()`` around ``take`` and this, or what was taken may be pruned in between.

        Args:
            entry: The record, without a location.
            tree: The working area's tree, from ``take``.
        """
        with self.repository.lock():
            if not self.repository.has_blob(tree, "tree"):
                raise LogbookDamaged(
                    "what was taken is not in the logbook any more: it was pruned meanwhile", "Take it again"
                )
            parent = self._snapshot_id_of(entry.parent)
            return self._write(entry, tree, parent=parent, original=None)

    def edit(self, entry: Entry) -> Entry:
        """Write a changed record in the place of the entry of the same id, and return it.

        Raises:
            NotFound: There is no entry of this id.
        """
        with self.repository.lock():
            replaced = self._snapshot(entry.id)
            tree = self._load(replaced).tree
            edited = self._write(entry, tree, parent=replaced.id, original=replaced.original or replaced.id)
            self.repository.delete_snapshot(replaced.id)
            return edited

    def area_tree(self, entry: Entry) -> str:
        """Return the tree of the working area itself."""
        return entry.tree or self.find(entry.id).tree

    def forget(self, entry_id: str) -> None:
        """Remove an entry; ``restic prune`` frees the room of what no other snapshot needs.

        Raises:
            NotFound, Ambiguous: As for ``find``.
        """
        entry = self._snapshot(entry_id)
        id = document.entry_id_of(entry)
        for snapshot in self.repository.snapshots():
            if document.entry_id_of(snapshot) == id:
                self.repository.delete_snapshot(snapshot.id)

    def _snapshot(self, prefix: str) -> Snapshot:
        matches = [
            snapshot
            for snapshot in _current(self.repository.snapshots())
            if (document.entry_id_of(snapshot) or "").startswith(prefix) or snapshot.id.startswith(prefix)
        ]
        if not matches:
            raise NotFound(f"the logbook has no entry {prefix}", "See `vml list`")
        if len(matches) > 1:
            ids = ", ".join(sorted(document.entry_id_of(snapshot) or "" for snapshot in matches)[:5])
            raise Ambiguous(
                f"{prefix} begins the ids of {len(matches)} entries: {ids}", "Give more of the id"
            )
        return matches[0]

    def _snapshot_id_of(self, entry_id: str) -> str | None:
        if not entry_id:
            return None
        snapshots = _current(self.repository.snapshots())
        return next((item.id for item in snapshots if document.entry_id_of(item) == entry_id), None)

    def _load(self, snapshot: Snapshot) -> Entry:
        """Read an entry once; a snapshot never changes."""
        with self._mutex:
            known = self._entries.get(snapshot.id)
        if known is not None:
            return known
        entry = document.load_entry(self.repository, snapshot)
        with self._mutex:
            return self._entries.setdefault(snapshot.id, entry)

    def _write(self, entry: Entry, tree: str, parent: str | None, original: str | None) -> Entry:
        root = document.save_root(self.repository, entry, tree)
        snapshot = Snapshot(
            time=entry.time,
            tree=root,
            paths=[entry.area or "/area"],
            hostname=hostname(),
            username=username(),
            tags=document.tags_of(entry),
            parent=parent,
            original=original,
        )
        id = self.repository.save_snapshot(snapshot)
        return msgspec.structs.replace(entry, snapshot=id, tree=tree)


def _current(snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """Return the snapshots that hold entries, without those that another one of the same entry replaces."""
    entries = [(document.entry_id_of(snapshot), snapshot) for snapshot in snapshots]
    replaced = {
        (id, older)
        for id, snapshot in entries
        if id and snapshot.original
        for older in (snapshot.original, snapshot.parent)
    }
    return [snapshot for id, snapshot in entries if id and (id, snapshot.id) not in replaced]
