"""What was learnt about large files, remembered by a key that cannot outlive their content.

    <cache>/<name>.json      {"<device>:<inode>:<size>:<mtime_ns>:<ctime_ns>": <what was learnt>, ...}

A file that is written to changes its ctime, which no program can set back. The memory is not the truth: when it
is lost or damaged the files are read again, and where it cannot be written the only loss is time.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file

T = TypeVar("T")


class Memory(Generic[T]):
    """A bounded table in one JSON file; the oldest of many lines is forgotten.

    Args:
        cache: The folder of the file; None remembers nothing.
        name: What is remembered, the stem of the file's name.
        kind: The type of a line.
        limit: How many lines are kept.
    """

    def __init__(self, cache: Path | None, name: str, kind: type[T], limit: int = 500) -> None:
        self._store = cache / f"{name}.json" if cache else None
        self._kind: Any = dict[str, kind]  # type: ignore[valid-type]  # a type for msgspec, made at run time
        self._limit = limit

    def recall(self, key: str) -> T | None:
        """Return what is remembered under a key."""
        return self._load().get(key)

    def keep(self, key: str, value: T) -> None:
        """Remember a line under a key, as the newest."""
        if self._store:
            kept = [line for line in self._load().items() if line[0] != key][1 - self._limit :]
            write_whole(self._store, msgspec.json.encode({**dict(kept), key: value}))

    def _load(self) -> dict[str, T]:
        found: dict[str, T] | None = read_json(self._store, self._kind) if self._store else None
        return found or {}


def file_key(file: Path) -> str:
    """Return the key of a file's present content.

    Raises:
        OSError: There is no such file.
    """
    status = file.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def read_json(file: Path, kind: Any) -> Any:
    """Return what a file holds, None where it is absent or damaged."""
    try:
        return parse(file.read_bytes(), kind)
    except (OSError, msgspec.DecodeError):
        return None


def write_whole(file: Path, content: bytes) -> None:
    """Replace a remembered file at once; where that cannot be done nothing happens."""
    with contextlib.suppress(OSError):
        replace_file(file, [content])
