"""Image: write the working area of an entry as the disk that its machines are shown.

entry -> image -> FILE.iso.part --fsync, rename--> FILE.iso
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.progress import SILENT, Progress


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written; ``etag`` names the bytes, ``clipped`` counts names that Linux shows cut."""

    entry: str
    path: str
    bytes: int
    files: int
    etag: str
    clipped: int


def write(
    settings: Settings, entry_id: str, path: Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> Written:
    """Write the image of an entry's working area, whole or not at all.

    Raises:
        NotFound: No such entry, or no folder for the file.
        WouldOverwrite: Something is there already; with ``overwrite`` a file is replaced, nothing else.
        DiskFull: It does not fit.
        LogbookDamaged: A part of the entry is missing or hurt.
    """
    progress.stage("entry", "Reading the entry")
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
        source = areas.source_in(settings, logbook, entry)
    progress.stage("layout", "Laying the working area out")
    with areas.image_of(settings, source) as image:
        progress.stage("image", f"Writing {path.name}")
        image.write(path, progress, overwrite=overwrite)
        return Written(
            entry=entry.id,
            path=str(path.absolute()),
            bytes=image.size,
            files=image.files,
            etag=image.etag,
            clipped=len(image.clipped),
        )
