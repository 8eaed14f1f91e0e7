"""The bin: what was forgotten stays in the logbook until the bin is emptied, or until it is old enough at a prune.

entry --forget--> bin --unforget--> entry
`--empty_bin, or empty_expired at a prune--> gone; the prune frees its room
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry
from vml_jupyter.repository.gotime import format_time

_DAY_NS = 86_400 * 1_000_000_000


def forget(settings: Settings, entry_ids: Sequence[str]) -> list[Entry]:
    """Put entries into the bin and return them; none is, where one of them is not found.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        NotAllowed: It is a snapshot of restic's.
    """
    with opened(settings) as logbook, logbook.repository.lock():
        found = [logbook.find_own(entry_id) for entry_id in entry_ids]
        return [logbook.forget(id) for id in dict.fromkeys(entry.id for entry in found)]


def unforget(settings: Settings, entry_ids: Sequence[str]) -> list[Entry]:
    """Take entries back out of the bin and return them; none is, where one of them is not found there.

    Raises:
        NotFound, Ambiguous: There is no such entry in the bin.
    """
    with opened(settings) as logbook, logbook.repository.lock():
        found = [logbook.find_forgotten(entry_id) for entry_id in entry_ids]
        return [logbook.unforget(id) for id in dict.fromkeys(entry.id for entry in found)]


def empty_bin(settings: Settings, entry_ids: Sequence[str] = (), older_than_days: int = 0) -> list[Entry]:
    """Remove for good what is in the bin, and return it.

    Args:
        settings: Where the logbook is.
        entry_ids: Only these; none means all.
        older_than_days: Only what has been there for longer.

    Raises:
        NotFound, Ambiguous: There is no such entry in the bin.
    """
    with opened(settings) as logbook, logbook.repository.lock():
        if entry_ids:
            found = [logbook.find_forgotten(entry_id) for entry_id in entry_ids]
            return [logbook.remove(id) for id in dict.fromkeys(entry.id for entry in found)]
        return logbook.empty_bin(days_ago(older_than_days) if older_than_days else "")


def empty_expired(logbook: Logbook, settings: Settings) -> list[Entry]:
    """Remove for good what has been in the bin for as long as the user's settings say; part of a prune."""
    return logbook.empty_bin(days_ago(settings.bin_days))


def days_ago(days: int) -> str:
    """Return the moment that many days ago, UTC in ISO 8601."""
    return format_time(time.time_ns() - days * _DAY_NS)
