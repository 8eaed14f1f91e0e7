"""Restore the files alone: find the entry, lay its working area out in a folder.

A file of its own, because what a machine needs takes longer to import than a working area to write.
"""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.errors import BadArea, LogbookDamaged
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.origins import remember
from vml_jupyter.flows.settings import Settings
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot import Laid, Salvage, lay

_LOST_SHOWN = 20


def restore_files(settings: Settings, entry_id: str, target: Path, progress: Progress = SILENT) -> Laid:
    """Write an entry's working area into a folder that is new or empty.

    Raises:
        NotFound: No such entry.
        WouldOverwrite: The folder holds something.
        BadArea: The target cannot be a folder.
        LogbookDamaged: Something of it is hurt; says which files, and all others were written.
    """
    target = target.expanduser().absolute()
    if target.exists() and not target.is_dir():
        raise BadArea(f"{target} is a file, not a folder", "Name a folder that is new or empty.")
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
        area = logbook.area_node(entry)
        progress.stage("lay", f"Writing the files of {entry.id}")
        expected = entry.files, entry.bytes
        try:
            laid = lay(logbook.repository, entry.tree, target, progress, area, expected)
            remember(settings, target, entry)
            return laid
        except LogbookDamaged:
            progress.stage("salvage", "Something is damaged: looking for what is whole")
            salvage = Salvage(logbook.repository, entry.tree, progress)
        progress.stage("lay", f"Writing the other files of {entry.id}")
        lay(salvage.repository(), entry.tree, target, progress, area, expected)
    shown = ", ".join(salvage.lost[:_LOST_SHOWN]) + (", ..." if len(salvage.lost) > _LOST_SHOWN else "")
    raise LogbookDamaged(
        f"{len(salvage.lost)} files of the entry {entry.id} are damaged and were not written: {shown}",
        f"All others are in {target}; `vml check --read-data` tells what is hurt",
    )
