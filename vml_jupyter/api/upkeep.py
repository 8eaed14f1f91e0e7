"""The verbs that look after a logbook: check, prune, unlock, key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.repository import KeyRecord, Pruned, Report

MAX_UNUSED_PERCENT = 5.0


def check(
    *,
    read_data: bool = False,
    repair_index: bool = False,
    repair_config: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Report:
    """Look for damage, and name the entries and files that need what is hurt.

    Args:
        read_data: Read and compare all content, too.
        repair_index: Then make the index anew where it does not fit.
        repair_config: Write a new config before, where it is lost or damaged.
        settings: Which logbook.
        progress: Told the bytes read, and what was written.

    Raises:
        LogbookMissing, WrongPassword: It cannot be opened.
        LogbookLocked: Somebody removes something from it just now.
    """
    from vml_jupyter.flows import upkeep as flow

    return flow.check(
        bound(settings),
        read_data=read_data,
        repair_index=repair_index,
        repair_config=repair_config,
        progress=progress,
    )


def prune(
    *,
    dry_run: bool = False,
    max_unused_percent: float = MAX_UNUSED_PERCENT,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Pruned:
    """Free the room of what no snapshot needs, and of what was in the bin for long enough.

    Args:
        dry_run: Only say what would be done.
        max_unused_percent: How much of what stays may be unused.
        settings: Which logbook.
        progress: Who listens.

    Raises:
        LogbookError: It cannot be opened, is damaged, or somebody works on it.
    """
    from vml_jupyter.flows import upkeep as flow

    return flow.prune(
        bound(settings), dry_run=dry_run, max_unused_percent=max_unused_percent, progress=progress
    )


def unlock(*, remove_all: bool = False, settings: Settings | None = None) -> int:
    """Remove the locks that nobody stands behind, or every one, and return how many.

    Raises:
        LogbookError: The logbook cannot be opened.
    """
    from vml_jupyter.flows import upkeep as flow

    return flow.unlock(bound(settings), remove_all=remove_all)


def key_list(*, settings: Settings | None = None) -> list[KeyRecord]:
    """Return the logbook's keys, one for each password, oldest first."""
    from vml_jupyter.flows.upkeep import list_keys

    return list_keys(bound(settings))


def key_add(password: str, *, settings: Settings | None = None) -> KeyRecord:
    """Give the logbook one more password.

    Raises:
        Usage: The password is empty.
    """
    from vml_jupyter.flows.upkeep import add_key

    return add_key(bound(settings), password)


def key_remove(key: str, *, settings: Settings | None = None) -> KeyRecord:
    """Take a password away, by its key's id or the beginning of it.

    Raises:
        NotFound, Ambiguous: There is no such key.
        Usage: It is the key in use.
    """
    from vml_jupyter.flows.upkeep import remove_key

    return remove_key(bound(settings), key)
