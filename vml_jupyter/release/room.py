"""Look for room before anything large is written, and leave some for others."""

from __future__ import annotations

import shutil
from pathlib import Path

from vml_jupyter.errors import DiskFull

_MARGIN_BYTES = 64 * 1024 * 1024


def require_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Make sure that a file of this size can be written.

    Args:
        folder: Where it is going to lie.
        needed_bytes: What is still to be written.
        what: What it is, for the message.

    Raises:
        DiskFull: There is no room for it.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes + _MARGIN_BYTES > free:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free, and {what} needs {needed_bytes >> 20} MiB more",
            "Make room there, or put VML's data elsewhere (VML_DATA).",
        )
