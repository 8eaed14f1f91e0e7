"""The SHA-256 of large files, remembered, so that no image of a gigabyte is read for every question.

    <cache>/digests.json      {"<device>:<inode>:<size>:<mtime_ns>:<ctime_ns>": "<sha256>", ...}

A file that is written to changes its ctime, which no program can set back; so the key cannot outlive the
content. The cache is not the truth: when it is lost or damaged the files are read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from vml_jupyter.progress import SILENT, Progress

_NAME = "digests.json"
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
    before = _key(file)
    found = _hash(file, progress)
    # Hashed while somebody wrote to it: right for nobody, so not remembered.
    if _key(file) == before:
        remember(file, found, cache)
    return found


def recall(file: Path, cache: Path | None) -> str:
    """Return the remembered SHA-256 of a file, '' where it would have to be read."""
    return _load(cache / _NAME).get(_key(file), "") if cache else ""


def remember(file: Path, sha256: str, cache: Path | None) -> None:
    """Keep the SHA-256 of a file that is complete; the oldest of many is forgotten."""
    if cache:
        kept = list(_load(cache / _NAME).items())[1 - _REMEMBERED :]
        _save(cache / _NAME, {**dict(kept), _key(file): sha256})


def _key(file: Path) -> str:
    status = file.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _hash(file: Path, progress: Progress) -> str:
    total = file.stat().st_size
    machine = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            machine.update(piece)
            progress.advance(stream.tell(), total, "bytes")
    return machine.hexdigest()


def _load(store: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(store.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return {}


def _save(store: Path, known: dict[str, str]) -> None:
    """Replace the cache; where that cannot be done the only loss is time."""
    draft = store.with_name(f"{store.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(msgspec.json.encode(known))
            os.replace(draft, store)  # noqa: PTH105  # replaces atomically, like the rest of this package
        finally:
            draft.unlink(missing_ok=True)
