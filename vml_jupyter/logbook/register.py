"""What the entries say, kept on this computer, so that a list does not read ten thousand of them.

    <folder>/<repository id>   mode 0600, seal({"format": 1, "repository": ..., "rows": [[snapshot, ...], ...]})

It is never the truth: each use lists the snapshots' ids, reads those that are new, and drops those that are
gone. The file is sealed with the logbook's key, so it tells nobody more than the logbook does, and what was
cut or altered does not open and is made anew. It is replaced whole, by renaming, and never written into: so
it may be deleted at any moment, several programs may keep it at once, and a home on a file server, where
the locks of a database are not to be relied on, is as good as any.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.model import Entry
from vml_jupyter.parsing import Parser, parse
from vml_jupyter.replacing import replace_file
from vml_jupyter.repository import Repository

_FORMAT = 1
_BATCH = 2_000


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One snapshot; ``entry`` is '' for one that holds none, and the others are then as ``others`` has them.

    ``replaces`` are the snapshots that this one stands in the place of. ``text`` is what a search looks
    through. ``summary`` is the entry's JSON without the packages of its environment.
    """

    snapshot: str
    entry: str = ""
    time: str = ""
    edited: str = ""
    forgotten: str = ""
    area: str = ""
    replaces: tuple[str, ...] = ()
    text: str = ""
    summary: msgspec.Raw = msgspec.Raw(b"{}")

    def load(self) -> Entry:
        """Return the entry, without the packages of its environment."""
        return parse(self.summary, Entry)


class _File(msgspec.Struct):
    format: int
    repository: str
    rows: list[Row]


_parser = Parser(_File)
Read = Callable[[Iterable[str]], list[Row]]


class Register:
    """The rows of one repository; ``folder`` is where they are kept, None where they are not."""

    def __init__(self, repository: Repository, folder: Path | None) -> None:
        self._repository = repository
        self._file = folder / repository.id if folder else None
        self._rows: dict[str, Row] | None = None

    def rows(self) -> list[Row]:
        """Return the rows as they were at the last ``refresh``."""
        return list((self._rows or {}).values())

    def refresh(self, read: Read) -> list[Row]:
        """Return a row for each snapshot that there is now.

        Args:
            read: Makes rows of snapshots by their ids; one that it leaves out is asked for again next time.
        """
        present = self._repository.snapshot_ids()
        known = self._load() if self._rows is None else self._rows
        rows = {id: row for id, row in known.items() if id in present}
        changed = len(rows) < len(known)
        new = sorted(present - rows.keys())
        for start in range(0, len(new), _BATCH):
            found = read(new[start : start + _BATCH])
            rows.update((row.snapshot, row) for row in found)
            changed = changed or bool(found)
            if len(new) > start + _BATCH:
                self._save(rows)  # on the way: who interrupts a first reading shall not lose it
        if changed:
            self._save(rows)
        self._rows = rows
        return self.rows()

    def learn(self, row: Row, gone: Iterable[str] = ()) -> None:
        """Take in a snapshot that this program wrote, and that it removed others: so nobody needs to read it."""
        if self._rows is not None:
            kept = self._rows.keys() - set(gone)
            self._rows = {id: known for id, known in self._rows.items() if id in kept} | {row.snapshot: row}
            self._save(self._rows)

    def _load(self) -> dict[str, Row]:
        if self._file is None:
            return {}
        try:
            file = _parser.parse(self._repository.unseal(self._file.read_bytes()))
        except (OSError, LogbookDamaged, msgspec.DecodeError):
            return {}
        if (file.format, file.repository) != (_FORMAT, self._repository.id):
            return {}
        # Files of old say nothing of snapshots that are no entries, so those are read again.
        return {row.snapshot: row for row in file.rows if row.time}

    def _save(self, rows: dict[str, Row]) -> None:
        """Replace the file; where that cannot be, the next list takes longer and that is all."""
        if self._file is None:
            return
        file = _File(_FORMAT, self._repository.id, list(rows.values()))
        with suppress(OSError):
            replace_file(self._file, [self._repository.seal(msgspec.json.encode(file))])


def row_of(entry: Entry, replaces: Iterable[str | None]) -> Row:
    """Return the row of an entry as it was read."""
    environment = msgspec.structs.replace(entry.environment, packages={})
    return Row(
        snapshot=entry.snapshot,
        entry=entry.id,
        time=entry.time,
        edited=entry.edited,
        forgotten=entry.forgotten,
        area=entry.area,
        replaces=tuple(id for id in replaces if id),
        text=_text(entry),
        summary=msgspec.Raw(msgspec.json.encode(msgspec.structs.replace(entry, environment=environment))),
    )


def folded(text: str) -> str:
    """Return a text in which spellings that look alike to a reader are alike."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _text(entry: Entry) -> str:
    release = entry.environment.release
    words = (entry.id, entry.title, entry.project, *entry.tags, entry.notebook, entry.area, entry.note)
    return folded("\n".join([*words, release.label if release else ""]))
