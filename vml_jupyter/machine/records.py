"""Machines by what their folders say, for questions that need no hypervisor: which image does which one boot from?"""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.errors import Foreign
from vml_jupyter.machine.folders import all_folders
from vml_jupyter.machine.spec import MachineSpec, decode_spec


def recorded_machines(machines: Path) -> list[MachineSpec]:
    """Return what every machine below this folder was made of; one whose record cannot be read is left out."""
    found = []
    for folder in all_folders(machines):
        try:
            found.append(decode_spec((folder / "machine.json").read_text("utf-8")))
        except (OSError, UnicodeDecodeError, Foreign):
            continue
    return found
