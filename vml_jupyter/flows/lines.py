"""Compare two texts line by line, in bounded time.

    lines, lines --equal ends cut off--> --lines that are there once on each side are anchors--> difflib between them

difflib alone takes a minute for two texts of twenty thousand lines that have little in common, and these come from
colleagues. The anchors are those of Bram Cohen's patience diff: the longest run of lines, unique on both sides,
that has the same order on both.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

_LINE_PAIRS = 250_000
_CONTEXT = 3
Span = tuple[int, int, int, int]


class Hunk(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of both texts; lines are counted from 0.

    ``lines`` are pairs of a sign and a line: ``' '`` is on both sides, ``'-'`` before only, ``'+'`` after only.
    """

    before: int
    after: int
    lines: list[tuple[str, str]]


def hunks(before: str, after: str, context: int = _CONTEXT) -> list[Hunk]:
    """Return what differs, with ``context`` equal lines around it."""
    old, new = before.splitlines(), after.splitlines()
    return [_hunk(old, new, group, context) for group in _groups(list(_changes(old, new)), context)]


def _groups(changes: Sequence[Span], context: int) -> Iterator[list[Span]]:
    """Put changes together that are so near that the lines around them would meet."""
    group: list[Span] = []
    for change in changes:
        if group and change[0] - group[-1][1] > 2 * context:
            yield group
            group = []
        group.append(change)
    if group:
        yield group


def _hunk(old: Sequence[str], new: Sequence[str], group: Sequence[Span], context: int) -> Hunk:
    lead = min(context, group[0][0], group[0][2])
    at, other = group[0][0] - lead, group[0][2] - lead
    lines: list[tuple[str, str]] = []
    position = at
    for start, end, other_start, other_end in group:
        lines += [(" ", line) for line in old[position:start]]
        lines += [("-", line) for line in old[start:end]]
        lines += [("+", line) for line in new[other_start:other_end]]
        position = end
    lines += [(" ", line) for line in old[position : position + context]]
    return Hunk(before=at, after=other, lines=lines)


def _changes(old: Sequence[str], new: Sequence[str]) -> Iterator[Span]:
    """Yield the spans (start and end before, start and end after) that differ, in order."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    position, other = head, head
    ends = (len(old) - tail, len(new) - tail)
    for anchor, other_anchor in [*_anchors(old[head : ends[0]], new[head : ends[1]], head), ends]:
        yield from _between(old, new, (position, anchor, other, other_anchor))
        position, other = anchor + 1, other_anchor + 1


def _between(old: Sequence[str], new: Sequence[str], span: Span) -> Iterator[Span]:
    start, end, other_start, other_end = span
    if start == end and other_start == other_end:
        return
    if (end - start) * (other_end - other_start) > _LINE_PAIRS:
        yield span
        return
    matcher = difflib.SequenceMatcher(None, old[start:end], new[other_start:other_end], autojunk=False)
    for kind, left, right, other_left, other_right in matcher.get_opcodes():
        if kind != "equal":
            yield start + left, start + right, other_start + other_left, other_start + other_right


def _anchors(old: Sequence[str], new: Sequence[str], shift: int) -> list[tuple[int, int]]:
    """Return the positions of lines that are unique on both sides and keep their order; none for short texts."""
    if len(old) * len(new) <= _LINE_PAIRS:
        return []
    counts = Counter(old), Counter(new)
    places = {line: number for number, line in enumerate(new) if counts[1][line] == 1}
    pairs = [
        (number, places[line]) for number, line in enumerate(old) if counts[0][line] == 1 and line in places
    ]
    return [(left + shift, right + shift) for left, right in _rising(pairs)]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of ``pairs`` whose second numbers rise, too."""
    tops: list[int] = []
    last: list[int] = []
    above: list[int] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        tops[pile : pile + 1] = [place]
        last[pile : pile + 1] = [number]
        above.append(last[pile - 1] if pile else -1)
    found: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = above[number]
    return found[::-1]
