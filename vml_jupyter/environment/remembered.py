"""Which distributions lie in some folders, remembered until one of the folders changes: a cache.

    <file>   {"format": 1, "stamps": [[folder, mtime_ns], ...], "packages": {name: version}}, mode 0600

Whatever installs, upgrades or removes a distribution adds or renames its ``.dist-info`` folder, and that moves
the time of the folder it is in. What is kept in an ``.egg-info`` may change in place, so it is not remembered.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

_FORMAT = 1
_SETTLED_NS = 2_000_000_000  # times on some file systems are this coarse
_Stamps = list[tuple[str, int]]


class _File(msgspec.Struct):
    format: int
    stamps: _Stamps
    packages: dict[str, str]


def stamps_of(folders: Sequence[str]) -> _Stamps:
    """Return when each folder changed last, 0 for one that is not there."""
    return [(folder, _changed(folder)) for folder in folders]


def recall(file: Path, stamps: _Stamps) -> dict[str, str] | None:
    """Return the packages that were remembered for exactly these folders, None where there are none."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_File)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found.packages if found.format == _FORMAT and found.stamps == stamps else None


def remember(file: Path, stamps: _Stamps, packages: dict[str, str]) -> None:
    """Keep the packages; where that cannot be, or a folder changed just now, the next one looks again."""
    if any(time.time_ns() - changed < _SETTLED_NS for _, changed in stamps):
        return
    temporary = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, no path
                stream.write(msgspec.json.encode(_File(_FORMAT, stamps, packages)))
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 - an entry of sys.path, '' among them
    except OSError:
        return 0
