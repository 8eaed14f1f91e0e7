"""What another Python told of itself, remembered until it or one of its folders changes: a cache.

    <cache>/pythons/<digest of its path>.json   mode 0600
        {"format": 1, "about": [path, variables ...], "stamps": [[file, mtime_ns], ...],
         "version": "3.9.12", "path": ["/usr/lib/python3.9", ...]}

Whatever makes a Python look in another place (a new ``.pth`` file, a made-over virtual environment) changes the
time of the interpreter, of its ``pyvenv.cfg``, or of a folder that it looks into.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file

_FORMAT = 1
_SETTLED_NS = 2_000_000_000  # times on some file systems are this coarse


class Told(msgspec.Struct, frozen=True):
    """A Python's version and its ``sys.path``."""

    version: str
    path: list[str]


class _File(msgspec.Struct):
    format: int
    about: list[str]
    stamps: list[tuple[str, int]]
    told: Told


def recall(cache: Path, about: list[str]) -> Told | None:
    """Return what was remembered about this very question, None where it is unknown or out of date."""
    try:
        found = parse(_file(cache, about).read_bytes(), _File)
    except (OSError, msgspec.DecodeError):
        return None
    known = found.format == _FORMAT and found.about == about
    return found.told if known and found.stamps == _stamps(file for file, _ in found.stamps) else None


def remember(cache: Path, about: list[str], interpreter: Path, told: Told) -> None:
    """Keep what a Python told; where that cannot be, or something changed just now, the next one asks again."""
    stamps = _stamps([str(interpreter), str(interpreter.parent.parent / "pyvenv.cfg"), *told.path])
    if any(time.time_ns() - changed < _SETTLED_NS for _, changed in stamps):
        return
    file = _file(cache, about)
    with suppress(OSError):
        replace_file(file, [msgspec.json.encode(_File(_FORMAT, about, stamps, told))])


def _file(cache: Path, about: list[str]) -> Path:
    digest = sha256(about[0].encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache / "pythons" / f"{digest}.json"


def _stamps(files: Iterable[str]) -> list[tuple[str, int]]:
    return [(file, _changed(file)) for file in files]


def _changed(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns  # noqa: PTH116 - an entry of sys.path
    except OSError:
        return 0
