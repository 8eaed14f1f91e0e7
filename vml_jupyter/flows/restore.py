"""Restore: find the entry's release, start it as a machine, put the working area into it, reopen the notebook.

    entry -> release image -> context -> machine -> working-area disk -> agent ready -> notebook URL

The area server starts first and in the background, because a machine that boots takes longer than anything else.
Everything that is made on the way is undone if a later step fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Machine
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot import Laid, lay


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A machine in which an entry's notebook is open, and what getting there took."""

    machine: Machine
    url: str
    accelerator: str
    warm: bool
    seconds: dict[str, float]
    notes: list[str]


def restore_files(settings: Settings, entry_id: str, target: Path, progress: Progress = SILENT) -> Laid:
    """Write an entry's working area into a folder that is new or empty.

    Raises:
        NotFound: No such entry.
        WouldOverwrite: The folder holds something.
    """
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
        progress.stage("lay", f"Writing the files of {entry.id}")
        return lay(logbook.repository, logbook.area_tree(entry), target.expanduser().absolute(), progress)
