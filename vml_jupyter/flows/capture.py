"""Capture: survey the working area, describe the environment, take the bytes, write the entry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import msgspec

from vml_jupyter.environment import describe
from vml_jupyter.flows import notebooks
from vml_jupyter.flows.entries import opened_or_created
from vml_jupyter.flows.origins import continued
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import checked
from vml_jupyter.model import Entry, Release, new_entry_id
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot import take

_CELL = re.compile(r"[0-9A-Za-z_-]{1,64}")  # what nbformat allows for the id of a cell


def capture(
    settings: Settings,
    area: Path,
    *,
    notebook: str | None = None,
    cell: str = "",
    title: str = "",
    note: str = "",
    release: str | None = None,
    tags: Sequence[str] = (),
    project: str | None = None,
    cross_mounts: bool = False,
    in_kernel: bool = False,
    automatic: bool = False,
    progress: Progress = SILENT,
) -> Entry:
    """Write the working area and what it runs in into the logbook; nothing is run or changed.

    Args:
        settings: Where the logbook is.
        area: The working area, a folder.
        notebook: The notebook that the entry reopens, relative to the area.
        cell: The id of the notebook's cell at which it is reopened; what is none is left out.
        title: One line; by default the notebook's first heading.
        note: Markdown.
        tags: Words to find the entry by.
        project: What it belongs to; by default what the area's last entry belongs to.
        release: The CernVM version to go back to, for a computer that is none; where one is detected that counts, and
            this is not looked for.
        cross_mounts: Whether what is mounted below the area belongs to it.
        in_kernel: This process is the notebook's kernel; otherwise the kernel is found by the notebook's kernelspec.
        automatic: Nobody asked for it by hand: where nothing changed since the area's last entry, that is returned.
        progress: Who listens.

    Raises:
        BadArea, BadNotebook: The area or notebook is not one.
        Usage: A text is too long.
        ReleaseError: This computer is no CernVM, and the release that was named cannot be found.
        LogbookError: The logbook cannot be opened or written.
        DiskFull: There is no room where the logbook lies.
    """
    progress.stage("survey", "Looking at the working area")
    area = notebooks.checked_area(area)
    notebook = notebooks.checked_notebook(area, notebook) if notebook else ""
    title = title.strip() or notebooks.proposed_title(area, notebook)

    progress.stage("environment", "Describing the environment")
    chosen = release or settings.default_release
    environment = describe(
        notebook=area / notebook if notebook else None,
        area=area,
        in_kernel=in_kernel,
        chosen=partial(_named, settings, chosen) if chosen else None,
        cache=settings.cache,
    )
    for said in environment.notes:
        progress.note(said)

    draft = Entry(
        id=new_entry_id(),
        time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        title=title,
        note=note,
        notebook=notebook,
        cell=cell if notebook and _CELL.fullmatch(cell) else "",
        area=str(area),
        tags=tuple(dict.fromkeys(tags)),
        environment=environment,
        automatic=automatic,
    )
    checked(draft)

    # One lock over both: what is taken must not be pruned before the entry names it.
    with opened_or_created(settings) as logbook, logbook.repository.lock():
        progress.stage("take", "Writing the working area into the logbook")
        previous = continued(settings, logbook, area)
        taken = take(
            logbook.repository,
            area,
            progress,
            parent_tree=logbook.area_tree(previous) if previous else None,
            cache=settings.cache / "areas",
            cross_mounts=cross_mounts,
        )
        if automatic and previous and logbook.area_tree(previous) == taken.tree:
            return previous
        for name in taken.unreadable:
            progress.note(f"could not be read, whole or in part: {name}")
        progress.stage("entry", "Writing the entry")
        entry = msgspec.structs.replace(
            draft,
            project=project if project is not None else previous.project if previous else "",
            parent=previous.id if previous else "",
            files=taken.files,
            bytes=taken.bytes,
            new_bytes=taken.new_bytes,
            unreadable=len(taken.unreadable),
            changing=len(taken.changing),
            changing_files=taken.first_changing,
            cross_mounts=cross_mounts,
        )
        return logbook.add(entry, taken.tree, taken.folder)


def _named(settings: Settings, release: str) -> Release:
    from vml_jupyter.flows.releases import named_release  # who fetches images imports more than who captures

    return named_release(settings, release)
