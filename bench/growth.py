"""How the work grows: 1k to 1M files of 1 kB, one file of 0.1 to 10 GB, 1k to 100k entries; ``make bench-growth``.

    measured up to what is asked for -> a line through the two largest -> the rest, marked "on paper"

Each size is captured into a fresh repository, then once more unchanged, then with one small file changed, and
restored, by this project, restic and borg in turn; what was restored is compared. Entries are only listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from bench.areas import MB, Area, large, many
from bench.rows import Row
from bench.works import Bench, measure_list, measure_rounds

_FILES = (1_000, 10_000, 100_000, 1_000_000)
_GB = (0.1, 1.0, 10.0)
_ENTRIES = (1_000, 10_000, 100_000)
_CAPTURED = ("first", "unchanged", "changed", "restore")
_VERBS = {
    "first": ("first snapshot of", "s"),
    "unchanged": ("unchanged,", "s"),
    "changed": ("one small file changed,", "s"),
    "restore": ("restore of", "s"),
    "size": ("repository with", "MB"),
    "memory": ("peak memory on", "MB"),
}
_LISTED = {"list": ("list of", "s")}


@dataclass(frozen=True)
class _Kind:
    """One way to grow: the sizes, how people say them, how such an area is had, if one is captured, and the rows."""

    name: str
    sizes: Sequence[float]
    said: Callable[[float], str]
    lent: Callable[[Path, float], AbstractContextManager[Area]] | None
    verbs: Mapping[str, tuple[str, str]] = field(default_factory=lambda: _VERBS)


_KINDS = (
    _Kind(
        "files",
        _FILES,
        lambda size: f"{size:,.0f} files",
        lambda cache, size: nullcontext(many(cache, round(size))),
    ),
    _Kind("gb", _GB, lambda size: f"{size:g} GB", lambda cache, size: large(cache, round(size * 1000) * MB)),
    _Kind("entries", _ENTRIES, lambda size: f"{size:,.0f} entries", None, _LISTED),
)


def rows(scale: float) -> list[Row]:
    """Return the rows of the growth table; nothing is required of them."""
    return [
        Row(_name(kind, size * scale, verb), f"{work} {kind.said(size * scale)}", unit)
        for kind in _KINDS
        for verb, (work, unit) in kind.verbs.items()
        for size in kind.sizes
    ]


def measure_growth(bench: Bench, cache: Path, scale: float, up_to: dict[str, float]) -> None:
    """Measure every size up to ``up_to[kind]``, and put the rest on paper."""
    remembering = [kind for kind in bench.peers if kind.remembers]
    for kind in _KINDS:
        sizes = [size * scale for size in kind.sizes]
        measured = [size for size in sizes if size <= up_to[kind.name]]
        for size in measured:
            if kind.lent is None:
                measure_list(bench, round(size), _name(kind, size, "list"))
                continue
            with kind.lent(cache, size) as area:
                measure_rounds(bench, area, remembering, _CAPTURED, _name(kind, size, ""))
        for size in sizes:
            if size not in measured and len(measured) > 1:
                _put_on_paper(bench, kind, measured[-2:], size, [peer.name for peer in remembering])


def _put_on_paper(bench: Bench, kind: _Kind, known: Sequence[float], size: float, tools: list[str]) -> None:
    """Continue the line through two known sizes: a fixed cost, and one for each file or byte."""
    small, big = known
    for verb in kind.verbs:
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
