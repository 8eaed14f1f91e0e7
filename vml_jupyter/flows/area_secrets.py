"""Likely secrets of a working area, looked for before it is captured; see ``secrets`` for what is looked for and how.

area -> the files that a snapshot would take -> Scan
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vml_jupyter.flows import notebooks
from vml_jupyter.flows.secrets import Scan, likely_secrets
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot.findings import Findings
from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.walk import borders_of, open_area, walk

TIME_S = 3.0
TOTAL_BYTES = 64 << 20
FILE_BYTES = 1 << 20

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class AreaFile:
    """A file of the folder that the walk has open; one that cannot be read is empty, and told of by the snapshot."""

    def __init__(self, path: str, name: str, size_bytes: int, folder: int) -> None:
        self.path, self.size_bytes = path, size_bytes
        self._name, self._folder = name, folder

    def head(self, length: int) -> bytes:
        with suppress(OSError), open(os.open(self._name, _OPEN, dir_fd=self._folder), "rb") as file:  # noqa: PTH123 - a descriptor
            return file.read(length)
        return b""


def area_secrets(area: Path, progress: Progress = SILENT, time_s: float = TIME_S) -> Scan:
    """Return what in the files that a snapshot of ``area`` would take is likely to be a secret.

    Raises:
        BadArea: The area is none.
    """
    return likely_secrets(
        _files(notebooks.checked_area(area)),
        progress,
        time_s=time_s,
        total_bytes=TOTAL_BYTES,
        file_bytes=FILE_BYTES,
    )


def _files(area: Path) -> Iterator[AreaFile]:
    """Yield the regular files, each to be read before the next one is asked for."""
    for folder in walk(open_area(area), Rules.of(area), Findings(), borders_of(area, cross_mounts=False)):
        for item in folder.items:
            if stat.S_ISREG(item.status.st_mode):
                path = folder.relative + item.name
                yield AreaFile(path, item.name, item.status.st_size, folder.opened.number)
