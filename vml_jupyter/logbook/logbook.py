"""The logbook: dated entries in a restic repository, ours among whatever else lies there.

    snapshots/<id>   tagged ``vml`` and ``entry:<entry id>``; see ``document`` for what is in it

An entry keeps its id when it is edited, forgotten or taken back: the new snapshot is written first, names the
one that it replaces, and then that one is removed. A crash between the two leaves both, and the replaced one is
not shown.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from vml_jupyter.errors import Ambiguous, LogbookDamaged, NotFound
from vml_jupyter.logbook import document
from vml_jupyter.logbook.register import Register, Row, row_of
from vml_jupyter.logbook.selection import Listed, current, select
from vml_jupyter.model import Entry, Query
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.gotime import now
from vml_jupyter.repository.identity import hostname, username

_SHORTEST = 2
_REMOTE_READERS = 16
_Self = TypeVar("_Self", bound="Logbook")


class Logbook:
    """Entries in one repository.

    Args:
        repository: Where they are.
        cache: The folder in which what they say is kept, see ``register``; None to keep it in memory only.
    """

    def __init__(self, repository: Repository, cache: Path | None = None) -> None:
        self.repository = repository
        self._register = Register(repository, cache / "entries" if cache else None)
        self._damaged: dict[str, LogbookDamaged] = {}
        self._mutex = threading.Lock()

    @classmethod
    def create(
        cls: type[_Self], url: str, password: str, *, scrypt_n: int | None = None, cache: Path | None = None
    ) -> _Self:
        """Make a new logbook; arguments and errors as for ``Repository.create``."""
        return cls(Repository.create(url, password, scrypt_n=scrypt_n), cache)

    @classmethod
    def open(cls: type[_Self], url: str, password: str, *, cache: Path | None = None) -> _Self:
        """Open a logbook, which may be any restic repository; errors as for ``Repository.open``."""
        return cls(Repository.open(url, password), cache)

    def close(self) -> None:
        self.repository.close()

    def listed(self, query: Query | None = None) -> Listed:
        """Return the entries that a query asks for; snapshots that are no entries are passed over."""
        rows = select(self._current(), query or Query())
        return Listed(rows, [self._damaged[id] for id in sorted(self._damaged)])

    def entries(self) -> list[Entry]:
        """Return all entries that are not in the bin, newest first, without the packages of their environments."""
        return self.listed().entries

    def find(self, prefix_or_id: str) -> Entry:
        """Return the one entry, whole, whose id, or whose snapshot's id, begins so.

        Raises:
            NotFound: None does; the message says so where it is in the bin.
            Ambiguous: Several do.
            LogbookDamaged: It cannot be read.
        """
        return self._load(self._row(prefix_or_id, forgotten=False))

    def find_forgotten(self, prefix_or_id: str) -> Entry:
        """Return the one entry in the bin that begins so; errors as for ``find``."""
        return self._load(self._row(prefix_or_id, forgotten=True))

    def add(self, entry: Entry, tree: str, folder: Node | None = None) -> Entry:
        """Write an entry and return it with its location.

        Hold ``repository.lock()`` around ``take`` and this, or what was taken may be pruned in between.

        Args:
            entry: The record, without a location.
            tree: The working area's tree, from ``take``.
            folder: What ``take`` says of the area itself: mode, times, owner, attributes; a plain folder if None.

        Raises:
            Usage: A text in it is too long.
        """
        document.checked(entry)
        with self.repository.lock():
            if not self.repository.has_blob(tree, "tree"):
                raise LogbookDamaged(
                    "what was taken is not in the logbook any more: it was pruned meanwhile", "Take it again"
                )
            root = document.save_root(self.repository, entry, tree, folder)
            snapshot = Snapshot(
                time=entry.time,
                tree=root,
                paths=[entry.area or "/area"],
                hostname=hostname(),
                username=username(),
                tags=document.tags_of(entry),
                parent=self._snapshot_id_of(entry.parent),
            )
            id = self.repository.save_snapshot(snapshot)
            return msgspec.structs.replace(entry, snapshot=id, tree=tree)

    def edit(self, entry: Entry) -> Entry:
        """Write a changed record in the place of the entry of the same id, and return it.

        Raises:
            NotFound: There is no entry of this id.
            Usage: A text in it is too long.
        """
        document.checked(entry)
        with self.repository.lock():
            former = self._row(entry.id, forgotten=False, whole=True)
            folder = document.area_node(self.repository, self._snapshot(former.snapshot, former.entry))
            edited = msgspec.structs.replace(entry, edited=now(), forgotten="")
            root = document.save_root(self.repository, edited, folder.subtree or "", folder)
            return self._replace(former, edited, root)

    def forget(self, entry_id: str) -> Entry:
        """Put an entry into the bin: nothing of it is lost until the bin is emptied.

        Raises:
            NotFound, Ambiguous: As for ``find``.
        """
        return self._move(entry_id, now())

    def unforget(self, entry_id: str) -> Entry:
        """Take an entry back out of the bin.

        Raises:
            NotFound, Ambiguous: As for ``find``.
        """
        return self._move(entry_id, "")

    def empty_bin(self, before: str = "") -> list[Entry]:
        """Remove for good what is in the bin, and return it; ``prune`` then frees its room.

        Args:
            before: Only what was forgotten before this time; UTC in ISO 8601.
        """
        with self.repository.lock():
            rows = select(self._current(), Query(forgotten=True))
            expired = [row for row in rows if not before or row.forgotten < before]
            for row in expired:
                self._remove_all(row.entry)
            return [row.load() for row in expired]

    def remove(self, entry_id: str) -> Entry:
        """Remove for good an entry that is in the bin.

        Raises:
            NotFound, Ambiguous: As for ``find``; one that is not in the bin is not found.
        """
        with self.repository.lock():
            row = self._row(entry_id, forgotten=True)
            self._remove_all(row.entry)
            return row.load()

    def area_tree(self, entry: Entry) -> str:
        """Return the tree of the working area itself."""
        return entry.tree or self.find(entry.id).tree

    def area_node(self, entry: Entry) -> Node:
        """Return the node of the area of an entry that was found: its tree, and what the folder itself is."""
        return document.area_node(self.repository, self._snapshot(entry.snapshot, entry.id))

    def _move(self, entry_id: str, forgotten: str) -> Entry:
        """Write the same snapshot with other tags; record and content stay as they are."""
        with self.repository.lock():
            row = self._row(entry_id, forgotten=not forgotten)
            entry = msgspec.structs.replace(self._load(row), forgotten=forgotten)
            snapshot = self._snapshot(row.snapshot, row.entry)
            return self._replace(row, entry, snapshot.tree)

    def _replace(self, former: Row, entry: Entry, root: str) -> Entry:
        """Write ``entry`` with the root tree ``root`` and remove every snapshot of it that there was before."""
        replaced = self._snapshot(former.snapshot, former.entry)
        snapshot = msgspec.structs.replace(
            replaced,
            tree=root,
            tags=document.retagged(replaced, entry),
            parent=replaced.id,  # says which one is replaced: after several edits ``original`` is none of them
            original=replaced.original or replaced.id,
        )
        id = self.repository.save_snapshot(snapshot)
        self._remove_all(entry.id, but=id)
        return msgspec.structs.replace(entry, snapshot=id)

    def _remove_all(self, entry_id: str, but: str = "") -> None:
        """Remove the snapshots of an entry that were seen when it was looked for."""
        for row in self._register.rows():
            if row.entry == entry_id and row.snapshot != but:
                with suppress(NotFound):  # somebody else was faster
                    self.repository.delete_snapshot(row.snapshot)

    def _row(self, prefix: str, *, forgotten: bool, whole: bool = False) -> Row:
        if len(prefix) < _SHORTEST and not whole:
            raise NotFound(f"{prefix!r} is too short for an entry's id", "Give at least two characters")
        rows = [row for row in self._current() if _begins(row, prefix, whole)]
        matches = [row for row in rows if bool(row.forgotten) == forgotten]
        if not matches:
            raise self._not_found(prefix, rows)
        if len(matches) > 1:
            ids = ", ".join(sorted(row.entry for row in matches)[:5])
            raise Ambiguous(
                f"{prefix} begins the ids of {len(matches)} entries: {ids}", "Give more of the id"
            )
        return matches[0]

    def _not_found(self, prefix: str, elsewhere: Sequence[Row]) -> NotFound | LogbookDamaged:
        for id, error in self._damaged.items():
            if id.startswith(prefix):
                return error
        if not elsewhere:
            return NotFound(f"the logbook has no entry {prefix}", "See `vml list`")
        row = elsewhere[0]
        if row.forgotten:
            return NotFound(f"the entry {row.entry} is in the bin", f"Run `vml unforget {row.entry}` first")
        return NotFound(f"the entry {row.entry} is not in the bin", "See `vml bin list`")

    def _snapshot_id_of(self, entry_id: str) -> str | None:
        if not entry_id:
            return None
        return next((row.snapshot for row in self._current() if row.entry == entry_id), None)

    def _current(self) -> list[Row]:
        return current(self._rows())

    def _rows(self) -> list[Row]:
        with self._mutex:
            return self._register.refresh(self._read)

    def _read(self, ids: Iterable[str]) -> list[Row]:
        """Make rows of snapshots; from a distant store many at a time, since each takes a while to come."""
        if not self.repository.is_remote:
            return [row for row in map(self._read_one, ids) if row]
        with ThreadPoolExecutor(_REMOTE_READERS, thread_name_prefix="vml-list") as pool:
            return [row for row in pool.map(self._read_one, ids) if row]

    def _read_one(self, id: str) -> Row | None:
        """Make the row of a snapshot; None where it is gone, or is broken and may be mended one day."""
        self._damaged.pop(id, None)
        try:
            snapshot = self.repository.snapshot(id)
            if snapshot is None:
                return None
            if document.entry_id_of(snapshot) is None:
                return Row(id)
            entry = document.load_entry(self.repository, snapshot)
        except LogbookDamaged as error:
            self._damaged[id] = error
            return None
        return row_of(entry, (snapshot.original, snapshot.parent) if snapshot.original else ())

    def _snapshot(self, id: str, entry_id: str) -> Snapshot:
        snapshot = self.repository.snapshot(id)
        if snapshot is None:
            raise NotFound(f"the entry {entry_id} was changed or removed just now", "Try again")
        return snapshot

    def _load(self, row: Row) -> Entry:
        return document.load_entry(self.repository, self._snapshot(row.snapshot, row.entry))


def _begins(row: Row, prefix: str, whole: bool) -> bool:
    if whole:
        return row.entry == prefix
    return row.entry.startswith(prefix) or row.snapshot.startswith(prefix)
