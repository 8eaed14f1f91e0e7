"""The verbs of what stands in the logbook: list, show, edit, diff, forget, unforget, bin."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Query
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.diff import Diff
    from vml_jupyter.flows.durability import Durability


def entries(
    search: str = "",
    *,
    tags: Sequence[str] = (),
    project: str = "",
    notebook: str = "",
    release: str = "",
    since: str = "",
    until: str = "",
    limit: int = 0,
    forgotten: bool = False,
    restic: bool = False,
    settings: Settings | None = None,
) -> builtins.list[Entry]:
    """Return the entries that are asked for, newest first; a logbook that is not there yet has none.

    Args:
        search: Words, each of which is somewhere in an entry's texts, in any case.
        tags: Tags that an entry has, all of them.
        project: What it belongs to.
        notebook: Its notebook, with or without folders.
        release: Its CernVM version, or how that begins.
        since: The first day or minute, UTC in ISO 8601, cut where one likes.
        until: The last one.
        limit: Only that many of the newest; 0 is all.
        forgotten: What is in the bin, instead.
        restic: Also the snapshots that restic wrote; their ``writer`` is ``restic``.
        settings: Which logbook.

    Returns:
        Entries without the packages of their environments; ``show`` has those.

    Raises:
        Usage: A time is none.
        LogbookError: The logbook cannot be opened.
    """
    from vml_jupyter.flows.entries import list_entries

    query = Query(
        search=search,
        tags=tuple(tags),
        project=project,
        notebook=notebook,
        release=release,
        since=since,
        until=until,
        limit=limit,
        forgotten=forgotten,
        restic=restic,
    )
    return list_entries(bound(settings), query)


list = entries
"""The command line's word for ``entries``."""


def show(entry: str, *, settings: Settings | None = None) -> Entry:
    """Return one entry, whole.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    from vml_jupyter.flows.entries import find_entry

    return find_entry(bound(settings), entry)


def durability(entry: str, *, check: bool = False, settings: Settings | None = None) -> Durability:
    """Return whether what an entry needs, its CernVM and its repositories, is still there.

    Args:
        entry: The entry.
        check: Ask the servers again, also what they answered within the hour.
        settings: Which logbook and releases.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    from vml_jupyter.flows import durability as flow

    known = bound(settings)
    return flow.durability(known, show(entry, settings=known), anew=check)


def edit(
    entry: str,
    *,
    title: str | None = None,
    note: str | None = None,
    project: str | None = None,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
    settings: Settings | None = None,
) -> Entry:
    """Change what a person wrote about an entry, and return it; None leaves as it is. The note is Markdown.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        Usage: A text is too long, or the title is empty.
    """
    from vml_jupyter.flows import entries as flow

    return flow.edit(
        bound(settings),
        entry,
        title=title,
        note=note,
        project=project,
        add_tags=add_tags,
        remove_tags=remove_tags,
    )


def diff(
    entry: str,
    other: str = "",
    *,
    area: str | Path | None = None,
    notebooks: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Diff:
    """Tell what changed from one entry to another: files, their sizes, environments.

    Args:
        entry: The earlier entry; alone, it is compared with its parent.
        other: The later entry.
        area: A folder as it is now, instead of a later entry.
        notebooks: Compare notebooks cell by cell, too.
        settings: Which logbook.
        progress: Who listens.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        Usage: An entry and an area were given.
        BadArea: The area is not one.
    """
    from vml_jupyter.flows import diff as flow

    return flow.diff(
        bound(settings),
        entry,
        other,
        area=Path(area) if area is not None else None,
        with_notebooks=notebooks,
        progress=progress,
    )


def forget(*entries: str, settings: Settings | None = None) -> builtins.list[Entry]:
    """Put entries into the bin and return them; none is, where one of them is not found.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    from vml_jupyter.flows import bin as flow

    return flow.forget(bound(settings), entries)


def unforget(*entries: str, settings: Settings | None = None) -> builtins.list[Entry]:
    """Take entries back out of the bin and return them; none is, where one of them is not found there.

    Raises:
        NotFound, Ambiguous: There is no such entry in the bin.
    """
    from vml_jupyter.flows import bin as flow

    return flow.unforget(bound(settings), entries)


def bin_list(*, settings: Settings | None = None) -> builtins.list[Entry]:
    """Return what is in the bin, newest first."""
    return entries(forgotten=True, settings=settings)


def bin_empty(
    *entries: str, older_than_days: int = 0, settings: Settings | None = None
) -> builtins.list[Entry]:
    """Remove for good what is in the bin, all of it or only these, and return it; a prune frees the room.

    Raises:
        NotFound, Ambiguous: There is no such entry in the bin.
    """
    from vml_jupyter.flows import bin as flow

    return flow.empty_bin(bound(settings), entries, older_than_days)
