"""The SHA-256 of large files, remembered, so that no image of a gigabyte is read for every question.

    <cache>/digests.json      {"<device>:<inode>:<size>:<mtime_ns>:<ctime_ns>": "<sha256>", ...}

A line is written only after the file was read to its end and did not change meanwhile; see ``memory``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.memory import Memory, file_key

_REMEMBERED = 500
_PIECE = 1 << 20


def digest(file: Path, cache: Path | None = None, progress: Progress = SILENT) -> str:
    """Return the SHA-256 of a file, 64 hex digits.

    Args:
        file: The file.
        cache: The folder in which digests are remembered; None reads the file each time.
        progress: Is told the bytes read, if they have to be.

    Raises:
        OSError: The file cannot be read.
    """
    known = recall(file, cache)
    if known:
        return known
    before = file_key(file)
    found = _hash(file, progress)
    # Hashed while somebody wrote to it: right for nobody, so not remembered.
    if file_key(file) == before:
        remember(file, found, cache)
    return found


def recall(file: Path, cache: Path | None) -> str:
    """Return the remembered SHA-256 of a file, '' where it would have to be read."""
    return _memory(cache).recall(file_key(file)) or ""


def remember(file: Path, sha256: str, cache: Path | None) -> None:
    """Keep the SHA-256 of a file that is complete; the oldest of many is forgotten."""
    _memory(cache).keep(file_key(file), sha256)


def _memory(cache: Path | None) -> Memory[str]:
    return Memory(cache, "digests", str, _REMEMBERED)


def _hash(file: Path, progress: Progress) -> str:
    total = file.stat().st_size
    machine = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            machine.update(piece)
            progress.advance(stream.tell(), total, "bytes")
    return machine.hexdigest()
