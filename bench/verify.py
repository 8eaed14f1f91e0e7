"""Is what was restored what was captured? A figure for something wrong is worth nothing."""

from __future__ import annotations

import filecmp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_SECOND_NS = 1_000_000_000


def verify(source: Path, restored: Path, tool: str, whole_seconds: bool) -> None:
    """Compare two folders: names, types, permissions, times and content.

    Raises:
        SystemExit: They differ; carries the first differences.
    """
    filecmp.clear_cache()  # it takes equal sizes and times of a path it knows for equal content
    wrong = list(_differences(source, restored, _SECOND_NS if whole_seconds else 1))
    if wrong:
        shown = "\n  ".join(wrong[:10])
        raise SystemExit(f"{tool} restored something else in {len(wrong)} places:\n  {shown}")


def _differences(source: Path, restored: Path, precision_ns: int) -> Iterator[str]:
    expected, found = set(_names(source)), set(_names(restored))
    yield from (f"{name} is missing" for name in sorted(expected - found))
    yield from (f"{name} is there without reason" for name in sorted(found - expected))
    for name in sorted(expected & found):
        yield from _difference(name, source / name, restored / name, precision_ns)


def _difference(name: str, one: Path, other: Path, precision_ns: int) -> Iterator[str]:
    a, b = one.lstat(), other.lstat()
    if a.st_mode != b.st_mode:
        yield f"{name} has mode {b.st_mode:o}, not {a.st_mode:o}"
    if a.st_mtime_ns // precision_ns != b.st_mtime_ns // precision_ns:
        yield f"{name} has another time"
    if stat.S_ISREG(a.st_mode) and (a.st_size != b.st_size or not filecmp.cmp(one, other, shallow=False)):
        yield f"{name} has other content"


def _names(folder: Path) -> Iterator[str]:
    for name, folders, files in os.walk(folder):
        yield from (os.path.relpath(os.path.join(name, each), folder) for each in (*folders, *files))  # noqa: PTH118 - pure text, a hundred thousand times
