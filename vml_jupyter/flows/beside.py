"""Restore the files to a folder in which something may be: what is there is kept, always.

    target is free          entry -> target
    target holds something  target -> a new entry;  target -> <target>.before-2026-01-31-0915;  entry -> target

The folder is moved aside and not removed, since an entry of it has not what `.vmlignore` leaves out.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from vml_jupyter.errors import BadArea
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot import Laid


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """``kept`` is the new name of the folder that was there, ``captured`` its entry; both may be missing."""

    target: Path
    files: int
    bytes: int
    kept: Path | None = None
    captured: Entry | None = None


def is_free(target: Path) -> bool:
    """Tell whether a folder can be made or filled at ``target``.

    Raises:
        BadArea: Something that is no folder is there, or it cannot be read.
    """
    if not target.exists() and not target.is_symlink():
        return True
    if not target.is_dir():
        raise BadArea(f"{target} is a file, not a folder", "Choose another name.")
    try:
        return next(target.iterdir(), None) is None
    except PermissionError as error:
        raise BadArea(f"the folder {target} cannot be read", "Choose another name.") from error


def free_name(target: Path) -> Path:
    """Return the first of ``fits``, ``fits-2``, ``fits-3``, ... at which nothing is."""
    number = 2
    candidate = target
    while candidate.exists() or candidate.is_symlink():
        candidate = target.with_name(f"{target.name}-{number}")
        number += 1
    return candidate


def restore_free(settings: Settings, entry_id: str, target: Path, progress: Progress = SILENT) -> Restored:
    """Write an entry's working area to ``target``, which is new or empty; errors as for ``restore_files``."""
    return _told(restore_files(settings, entry_id, target, progress), target)


def restore_keeping(settings: Settings, entry_id: str, target: Path, progress: Progress = SILENT) -> Restored:
    """Write an entry's working area to ``target``; a folder that is there is captured and kept under another name.

    Raises:
        WouldOverwrite: Something came to lie there meanwhile.
        BadArea: The target cannot be a folder, or is a link to one.
        LogbookDamaged: Something of the entry is hurt; all else was written.
    """
    if is_free(target):
        return restore_free(settings, entry_id, target, progress)
    if target.is_symlink() or target.is_mount():
        raise BadArea(f"{target} is a link, or a disk of its own", "Choose another name.")
    stamp = datetime.now().strftime("%Y-%m-%d-%H%M")
    captured = capture(
        settings, target, title=f"{target.name}, before another entry took its place", progress=progress
    )
    kept = free_name(target.with_name(f"{target.name}.before-{stamp}"))
    target.rename(kept)
    try:
        laid = restore_files(settings, entry_id, target, progress)
    except BaseException:
        if not target.exists():  # a damaged entry leaves what is whole of it
            kept.rename(target)
        raise
    return msgspec.structs.replace(_told(laid, target), kept=kept, captured=captured)


def _told(laid: Laid, target: Path) -> Restored:
    return Restored(target=target, files=laid.files, bytes=laid.bytes)
