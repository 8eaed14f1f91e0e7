"""Automatic entries grow fewer with age: all of a day stay, then one a day for a month, then one a month.

Only entries that were taken automatically and never touched by a person go, and they go into the bin.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry

_ALL = timedelta(days=1)
_DAILY = timedelta(days=31)


def thin(settings: Settings, now: datetime | None = None) -> list[Entry]:
    """Put the automatic entries that are one too many into the bin, and return them.

    Raises:
        LogbookError: The logbook cannot be read or written.
    """
    with opened(settings) as logbook:
        spare = superfluous(logbook.entries(), now or datetime.now(timezone.utc))
        if not spare:
            return []
        with logbook.repository.lock():
            return [logbook.forget(entry.id) for entry in spare]


def superfluous(entries: Iterable[Entry], now: datetime) -> list[Entry]:
    """Return the automatic entries that are not kept; of each day or month the newest is.

    Args:
        entries: All that are in the logbook.
        now: The moment that ages are counted to.
    """
    kept: set[tuple[str, str, str]] = set()
    spare: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: entry.time, reverse=True):
        if not entry.automatic or entry.edited or entry.forgotten:
            continue
        age = now - datetime.fromisoformat(entry.time[:19] + "+00:00")
        if age <= _ALL:
            continue
        period = entry.time[:10] if age <= _DAILY else entry.time[:7]
        if (entry.area, entry.notebook, period) in kept:
            spare.append(entry)
        kept.add((entry.area, entry.notebook, period))
    return spare
