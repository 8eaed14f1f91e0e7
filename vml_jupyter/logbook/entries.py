"""What is in a logbook: entries are listed and found by what the register says, and read whole when one is asked for.

snapshots' ids --register--> rows --selection--> what the user wants to see --document--> one entry, whole
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vml_jupyter.errors import Ambiguous, LogbookDamaged, NotAllowed, NotFound
from vml_jupyter.logbook import document
from vml_jupyter.logbook.others import ID_LENGTH, folder_in, load_other, row_of_other
from vml_jupyter.logbook.register import Register, Row, row_of
from vml_jupyter.logbook.selection import Listed, current, select, with_others
from vml_jupyter.model import Entry, Query
from vml_jupyter.repository import Node, Repository, Snapshot

_SHORTEST = 2
_REMOTE_READERS = 16


class Entries:
    """The entries in one repository, to be read.

    Args:
        repository: Where they are.
        cache: The folder in which what they say is kept, see ``register``; None to keep it in memory only.
    """

    def __init__(self, repository: Repository, cache: Path | None = None) -> None:
        self.repository = repository
        self._register = Register(repository, cache / "entries" if cache else None)
        self._damaged: dict[str, LogbookDamaged] = {}
        self._mutex = threading.Lock()

    def listed(self, query: Query | None = None) -> Listed:
        """Return the entries that a query asks for; snapshots that are no entries only where it asks for those, too."""
        query = query or Query()
        rows = self._rows()
        rows = select(with_others(rows) if query.restic else current(rows), query)
        return Listed(rows, [self._damaged[id] for id in sorted(self._damaged)])

    def entries(self) -> list[Entry]:
        """Return all entries that are not in the bin, newest first, without the packages of their environments."""
        return self.listed().entries

    def find(self, prefix_or_id: str) -> Entry:
        """Return the one entry, whole, whose id, or whose snapshot's id, begins so; else a snapshot of restic's.

        Raises:
            NotFound: None does; the message says so where it is in the bin.
            Ambiguous: Several do.
            LogbookDamaged: It cannot be read.
        """
        return self._load(self._row(prefix_or_id, forgotten=False, others=True))

    def find_own(self, prefix_or_id: str) -> Entry:
        """Return an entry that may be changed; errors as for ``find``, which a snapshot of restic's is, too."""
        return self._load(self._row(prefix_or_id, forgotten=False))

    def find_forgotten(self, prefix_or_id: str) -> Entry:
        """Return the one entry in the bin that begins so; errors as for ``find``."""
        return self._load(self._row(prefix_or_id, forgotten=True))

    def area_tree(self, entry: Entry) -> str:
        """Return the tree of the working area itself."""
        return entry.tree or self.find(entry.id).tree

    def area_node(self, entry: Entry) -> Node:
        """Return the node of the area of an entry that was found: its tree, and what the folder itself is."""
        snapshot = self._snapshot(entry.snapshot, entry.id)
        if entry.writer:
            return folder_in(self.repository, snapshot)
        return document.area_node(self.repository, snapshot)

    def _row(self, prefix: str, *, forgotten: bool, whole: bool = False, others: bool = False) -> Row:
        """Return the one row that begins so; with ``others``, that of such a snapshot where no entry at all does."""
        if len(prefix) < _SHORTEST and not whole:
            raise NotFound(f"{prefix!r} is too short for an entry's id", "Give at least two characters")
        everything = self._rows()
        rows = [row for row in current(everything) if _begins(row, prefix, whole)]
        matches = [row for row in rows if bool(row.forgotten) == forgotten]
        if not matches:
            foreign = [row for row in everything if not row.entry and row.snapshot.startswith(prefix)]
            if rows or not foreign or not others:
                raise self._not_found(prefix, rows, foreign)
            matches = foreign
        if len(matches) > 1:
            ids = ", ".join(sorted(row.entry or row.snapshot[:ID_LENGTH] for row in matches)[:5])
            raise Ambiguous(
                f"{prefix} begins the ids of {len(matches)} entries: {ids}", "Give more of the id"
            )
        return matches[0]

    def _not_found(
        self, prefix: str, elsewhere: Sequence[Row], foreign: Sequence[Row]
    ) -> NotFound | NotAllowed | LogbookDamaged:
        for id, error in self._damaged.items():
            if id.startswith(prefix):
                return error
        if foreign and not elsewhere:
            id = foreign[0].snapshot[:8]
            return NotAllowed(
                f"{prefix} is a snapshot that restic wrote, and no entry of VML's",
                f"VML reads and restores it only; `restic forget {id}` removes it, `restic tag` changes its tags",
            )
        if not elsewhere:
            return NotFound(f"the logbook has no entry {prefix}", "See `vml list`")
        row = elsewhere[0]
        if row.forgotten:
            return NotFound(f"the entry {row.entry} is in the bin", f"Run `vml unforget {row.entry}` first")
        return NotFound(f"the entry {row.entry} is not in the bin", "See `vml bin list`")

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
                return row_of_other(snapshot)
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
        snapshot = self._snapshot(row.snapshot, row.entry or row.snapshot[:ID_LENGTH])
        if not row.entry:
            return load_other(self.repository, snapshot)
        return document.load_entry(self.repository, snapshot)


def _begins(row: Row, prefix: str, whole: bool) -> bool:
    if whole:
        return row.entry == prefix
    return row.entry.startswith(prefix) or row.snapshot.startswith(prefix)
