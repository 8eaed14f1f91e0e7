"""The rows of the table: what is measured, and the most that this project may take for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from bench.measure import Spread
from bench.peers import Vml


@dataclass(frozen=True)
class Row:
    """One row.

    ``unit`` is ``s``, ``MB`` (10^6 bytes) or ``requests``. ``limit`` is a ratio to the best rival where
    ``relative``, else an absolute value in the unit; None where there is none.
    """

    name: str
    work: str
    unit: str
    limit: float | None = None
    relative: bool = True


ROWS = (
    Row("first", "first snapshot of A", "s", 0.5),
    Row("unchanged", "A unchanged", "s", 0.3),
    Row("changed", "A with one small file changed", "s", 0.35),
    Row("restore", "restore of A to a folder", "s", 0.6),
    Row("size", "repository with A", "MB", 1.03),
    Row("memory", "peak memory on A", "MB", 300, relative=False),
    Row("memory-large", "peak memory on one large file", "MB", 300, relative=False),
    Row("many-first", "first snapshot of many files of 1 kB", "s", 0.6),
    Row("many-unchanged", "many files of 1 kB unchanged", "s", 0.3),
    Row("list", "list many entries, index warm", "s", 0.5, relative=False),
    Row("s3-bytes", "up to S3 for a file of 1 MB changed in A", "MB", 1.1 + 64 * 1024 / 1e6, relative=False),
    Row("s3-writes", "requests that write for it", "requests", 10, relative=False),
    Row("s3-inside", "up to S3 for 1 MB overwritten inside a file of 50 MB", "MB"),
    Row("s3-inside-writes", "requests that write for that", "requests"),
)
BUCKET_ROWS = tuple(row for row in ROWS if row.name.startswith("s3-"))
"""What needs an S3 server."""


@dataclass
class Results:
    """The values measured so far, by row and tool.

    ``scope`` says of a row how much it was measured with. ``others_cores`` says of every timed command how many
    cores were busy with something else: a quiet machine has about 0.1, for what the kernel does on its own.
    """

    rivals: frozenset[str]
    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    scope: dict[str, str] = field(default_factory=dict)
    others_cores: list[float] = field(default_factory=list)

    def add(self, row: str, tool: str, value: float) -> None:
        self.values[row][tool].append(value)

    def spread(self, row: str, tool: str) -> Spread | None:
        values = self.values.get(row, {}).get(tool)
        return Spread(tuple(values)) if values else None

    def best_rival(self, row: str) -> str | None:
        """Return the rival with the least median, None where none was measured."""
        medians = {
            tool: Spread(tuple(values)).median
            for tool, values in self.values.get(row, {}).items()
            if tool in self.rivals
        }
        return min(medians, key=lambda tool: medians[tool]) if medians else None

    def ratio(self, row: str) -> float | None:
        """Return our median over the best rival's."""
        ours, rival = self.spread(row, Vml.name), self.best_rival(row)
        theirs = self.spread(row, rival) if rival else None
        return ours.median / theirs.median if ours and theirs else None

    def held(self, row: Row) -> bool | None:
        """Tell whether the limit is held; None where it cannot be told."""
        ours = self.spread(row.name, Vml.name)
        value = self.ratio(row.name) if row.relative else ours.median if ours else None
        return None if value is None or row.limit is None else value <= row.limit
