"""Which rows of the register are shown: the newest state of each entry, then what the query asks for.

rows --current--> one row an entry, newest first --select--> what the user wants to see
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.logbook.register import Row, folded
from vml_jupyter.model import Entry, Query


@dataclass(frozen=True)
class Listed:
    """Entries that were asked for, newest first, each without the packages of its environment.

    ``damaged`` tells of the snapshots that say they are entries and cannot be read.
    """

    rows: Sequence[Row]
    damaged: Sequence[LogbookDamaged]

    @cached_property
    def entries(self) -> list[Entry]:
        return [row.load() for row in self.rows]

    @property
    def documents(self) -> list[msgspec.Raw]:
        """The entries as JSON, which need not be understood to be passed on."""
        return [row.summary for row in self.rows]


def current(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each entry, newest entry first.

    A crash between writing a changed entry and removing the former one leaves both; so does somebody else
    who edits it at the same moment. Then the later change is the entry.
    """
    entries = [row for row in rows if row.entry]
    replaced = {(row.entry, older) for row in entries for older in row.replaces}
    latest: dict[str, Row] = {}
    for row in entries:
        if (row.entry, row.snapshot) in replaced:
            continue
        other = latest.get(row.entry)
        if other is None or (other.edited, other.snapshot) < (row.edited, row.snapshot):
            latest[row.entry] = row
    return sorted(latest.values(), key=_age, reverse=True)


def with_others(rows: Iterable[Row]) -> list[Row]:
    """Return the ``current`` rows and those of snapshots that are no entries, newest first."""
    rows = list(rows)
    return sorted([*current(rows), *(row for row in rows if not row.entry)], key=_age, reverse=True)


def by_age(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of one entry in such an order that what is shown is shown until the last of them is gone."""
    replaced = {older for row in rows for older in row.replaces}
    return sorted(rows, key=lambda row: (row.snapshot not in replaced, row.edited, row.snapshot))


def select(rows: Iterable[Row], query: Query) -> list[Row]:
    """Return those of the ``current`` rows that ``query`` asks for."""
    found: Iterator[Row] = (row for row in rows if bool(row.forgotten) == query.forgotten)
    if query.area:
        found = (row for row in found if row.area == query.area)
    if query.since:
        found = (row for row in found if row.time >= query.since)
    if query.until:
        length = len(query.until)
        found = (row for row in found if row.time[:length] <= query.until)
    words = folded(query.search).split()
    if words:
        found = (row for row in found if all(word in row.text for word in words))
    if query.tags or query.project or query.notebook or query.release:
        found = (row for row in found if _fits(row.load(), query))
    if query.outside:
        found = (row for row in found if not row.load().machine)
    return list(islice(found, query.limit or None))


def _fits(entry: Entry, query: Query) -> bool:
    release = entry.environment.release
    return (
        set(query.tags) <= set(entry.tags)
        and query.project in ("", entry.project)
        and (not query.notebook or f"/{entry.notebook}".endswith(f"/{query.notebook}"))
        and (not query.release or (release is not None and _begins(release.system, query.release)))
    )


def _begins(version: str, beginning: str) -> bool:
    return f"{version}.".startswith(beginning.removesuffix(".") + ".")


def _age(row: Row) -> tuple[str, str]:
    return row.time.removesuffix("Z"), row.entry
