"""The logbook: dated entries in a restic repository, ours among whatever else lies there.

    snapshots/<id>   tagged ``vml`` and ``entry:<entry id>``; see ``document`` for what is in it

An entry keeps its id when it is edited, forgotten or taken back: the new snapshot is written first, names the
one that it replaces, and then that one is removed. A crash between the two leaves both, and the replaced one is
not shown.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from vml_jupyter.errors import LogbookDamaged, NotFound
from vml_jupyter.logbook import document
from vml_jupyter.logbook.entries import Entries
from vml_jupyter.logbook.register import Row, row_of
from vml_jupyter.logbook.selection import by_age, current, select
from vml_jupyter.model import Entry, Query
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.gotime import now
from vml_jupyter.repository.identity import hostname, username

_Self = TypeVar("_Self", bound="Logbook")


class Logbook(Entries):
    """The same, to be written as well; arguments as for ``Entries``."""

    @classmethod
    def create(
        cls: type[_Self], url: str, password: str, *, scrypt_n: int | None = None, cache: Path | None = None
    ) -> _Self:
        """Make a new logbook; arguments and errors as for ``Repository.create``."""
        return cls(Repository.create(url, password, scrypt_n=scrypt_n, cache=cache), cache)

    @classmethod
    def open(cls: type[_Self], url: str, password: str, *, cache: Path | None = None) -> _Self:
        """Open a logbook, which may be any restic repository; errors as for ``Repository.open``."""
        return cls(Repository.open(url, password, cache=cache), cache)

    def close(self) -> None:
        self.repository.close()

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
            added = msgspec.structs.replace(
                entry, snapshot=self.repository.save_snapshot(snapshot), tree=tree
            )
            with self._mutex:
                self._register.learn(row_of(added, ()))
            return added

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
            tree = folder.subtree or ""
            edited = msgspec.structs.replace(entry, edited=now(), forgotten="", tree=tree)
            return self._replace(former, edited, document.save_root(self.repository, edited, tree, folder))

    def forget(self, entry_id: str) -> Entry:
        """Put an entry into the bin: nothing of it is lost until the bin is emptied.

        Raises:
            NotFound, Ambiguous: As for ``find``.
        """
        return self._move(entry_id, forgotten=True)

    def unforget(self, entry_id: str) -> Entry:
        """Take an entry back out of the bin.

        Raises:
            NotFound, Ambiguous: As for ``find``.
        """
        return self._move(entry_id, forgotten=False)

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

    def _move(self, entry_id: str, *, forgotten: bool) -> Entry:
        """Write the same snapshot with other tags; record and content stay as they are."""
        with self.repository.lock():
            row = self._row(entry_id, forgotten=not forgotten)
            entry = self._load(row)
            entry = msgspec.structs.replace(
                entry, forgotten=document.time_to_forget(entry) if forgotten else ""
            )
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
        changed = msgspec.structs.replace(entry, snapshot=self.repository.save_snapshot(snapshot))
        removed = self._remove_all(entry.id, but=changed.snapshot)
        with self._mutex:
            self._register.learn(row_of(changed, (snapshot.original, snapshot.parent)), removed)
        return changed

    def _remove_all(self, entry_id: str, but: str = "") -> list[str]:
        """Remove the snapshots of an entry that were seen when it was looked for, the one that is shown last."""
        seen = [row for row in self._register.rows() if row.entry == entry_id and row.snapshot != but]
        for row in by_age(seen):
            with suppress(NotFound):  # somebody else was faster
                self.repository.delete_snapshot(row.snapshot)
        return [row.snapshot for row in seen]

    def _snapshot_id_of(self, entry_id: str) -> str | None:
        if not entry_id:
            return None
        rows = self._register.rows() or self._rows()  # as they were when the parent was found
        return next((row.snapshot for row in current(rows) if row.entry == entry_id), None)
