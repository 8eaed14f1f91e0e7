"""Replace a file as a whole: whoever reads it finds what was there or what is there now, never half of either.

    <folder>/.<name>-<random>    mode 0600, written beside it, then renamed
    <folder>/<name>              takes its place

For caches and records that can be made again: nothing is forced to the disk. What a crash left of an earlier
attempt is removed by a later one.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path

_STALE_S = 3600


def replace_file(file: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Put ``pieces``, one after the other, into the place of ``file``; its folder is made where there is none.

    Raises:
        OSError: It cannot be; what was there is there still.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(file)
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, no path
            stream.writelines(pieces)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sweep(file: Path) -> None:
    """Remove what is so old that nobody is writing it any more."""
    prefix, length = f".{file.name}-", len(file.name) + 10
    with os.scandir(file.parent) as entries:
        found = [entry for entry in entries if entry.name.startswith(prefix) and len(entry.name) == length]
    for entry in found:
        try:
            if entry.stat(follow_symlinks=False).st_mtime < time.time() - _STALE_S:
                file.with_name(entry.name).unlink()
        except FileNotFoundError:
            continue  # somebody else was faster
