"""How the work grows: 1k to 1M files of 1 kB, and one file of 0.1 to 10 GB; ``make bench-growth``.

    measured up to what is asked for -> a line through the two largest -> the rest, marked "on paper"

Each size is captured into a fresh repository, then once more unchanged, by this project, restic and borg in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bench.areas import MB, Area, large, many
from bench.rows import Row
from bench.works import Bench, measure_rounds

_FILES = (1_000, 10_000, 100_000, 1_000_000)
_GB = (0.1, 1.0, 10.0)
_VERBS = {
    "first": ("first snapshot of", "s"),
    "unchanged": ("unchanged,", "s"),
    "memory": ("peak memory on", "MB"),
}


@dataclass(frozen=True)
class _Kind:
    """One way to grow: the sizes, how people say them, and how such an area is had."""

    name: str
    sizes: Sequence[float]
    said: Callable[[float], str]
    lent: Callable[[Path, float], AbstractContextManager[Area]]


_KINDS = (
    _Kind(
        "files",
        _FILES,
        lambda size: f"{size:,.0f} files",
        lambda cache, size: nullcontext(many(cache, round(size))),
    ),
    _Kind("gb", _GB, lambda size: f"{size:g} GB", lambda cache, size: large(cache, round(size * 1000) * MB)),
)


def rows(scale: float) -> list[Row]:
    """Return the rows of the growth table; nothing is required of them."""
    return [
        Row(_name(kind, size * scale, verb), f"{work} {kind.said(size * scale)}", unit)
        for kind in _KINDS
        for verb, (work, unit) in _VERBS.items()
        for size in kind.sizes
    ]


def measure_growth(bench: Bench, cache: Path, scale: float, up_to: dict[str, float]) -> None:
    """Measure every size up to ``up_to[kind]``, and put the rest on paper."""
    remembering = [kind for kind in bench.peers if kind.remembers]
    for kind in _KINDS:
        sizes = [size * scale for size in kind.sizes]
        measured = [size for size in sizes if size <= up_to[kind.name]]
        for size in measured:
            with kind.lent(cache, size) as area:
                measure_rounds(bench, area, remembering, ("first", "unchanged"), _name(kind, size, ""))
        for size in sizes:
            if size not in measured and len(measured) > 1:
                _put_on_paper(bench, kind, measured[-2:], size, [peer.name for peer in remembering])


def _put_on_paper(bench: Bench, kind: _Kind, known: Sequence[float], size: float, tools: list[str]) -> None:
    """Continue the line through two known sizes: a fixed cost, and one for each file or byte."""
    small, big = known
    for verb in _VERBS:
        row = _name(kind, size, verb)
        bench.results.scope[row] = "on paper"
        for tool in tools:
            low = bench.results.spread(_name(kind, small, verb), tool)
            high = bench.results.spread(_name(kind, big, verb), tool)
            if low and high:
                slope = max(high.median - low.median, 0.0) / (big - small)
                bench.results.add(row, tool, high.median + slope * (size - big))


def _name(kind: _Kind, size: float, verb: str) -> str:
    return f"{kind.name}-{size:g}-{verb}"
