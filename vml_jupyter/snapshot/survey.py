"""Count a working area before anything is done with it."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.walk import Findings, borders_of, open_area, walk


@dataclass(frozen=True)
class Survey:
    """What a snapshot of an area would hold: files and their bytes, and how many things stay out."""

    files: int
    bytes: int
    ignored: int


def survey(area: Path, cross_mounts: bool = False) -> Survey:
    """Count the files of ``area`` by looking at folders alone, those mounted below it only if so asked.

    Raises:
        BadArea: It is missing, no folder, or cannot be read.
    """
    files = size_bytes = 0
    findings = Findings()
    for folder in walk(open_area(area), Rules.of(area), findings, borders_of(area, cross_mounts)):
        for item in folder.items:
            if stat.S_ISREG(item.status.st_mode):
                files += 1
                size_bytes += item.status.st_size
    return Survey(files, size_bytes, findings.ignored)
