"""Comparing texts line by line: what comes out rebuilds both, and hostile texts take no longer than others."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.flows.lines import Hunk, hunks

LINES = st.lists(st.sampled_from(["", "a", "b", "x = 1", "x = 2", "}"]), max_size=30)


@given(LINES, LINES)
def test_both_texts_can_be_rebuilt(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before), "\n".join(after)
    found = hunks(old, new, context=1_000_000)
    if old.splitlines() == new.splitlines():
        assert found == []
        return
    [hunk] = found
    assert [line for sign, line in hunk.lines if sign in " -"] == old.splitlines()
    assert [line for sign, line in hunk.lines if sign in " +"] == new.splitlines()


@given(LINES, LINES)
def test_hunks_say_where_they_are(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(before), "\n".join(after)
    for hunk in hunks(old, new, context=1):
        kept = [line for sign, line in hunk.lines if sign in " -"]
        now = [line for sign, line in hunk.lines if sign in " +"]
        assert old.splitlines()[hunk.before : hunk.before + len(kept)] == kept
        assert new.splitlines()[hunk.after : hunk.after + len(now)] == now


def test_changes_that_are_apart_are_told_apart() -> None:
    old = [str(number) for number in range(100)]
    new = [*old[:10], "new", *old[10:90], *old[91:]]
    assert hunks("\n".join(old), "\n".join(new)) == [
        Hunk(
            before=7,
            after=7,
            lines=[(" ", "7"), (" ", "8"), (" ", "9"), ("+", "new"), (" ", "10"), (" ", "11"), (" ", "12")],
        ),
        Hunk(
            before=87,
            after=88,
            lines=[
                *((" ", str(n)) for n in (87, 88, 89)),
                ("-", "90"),
                *((" ", str(n)) for n in (91, 92, 93)),
            ],
        ),
    ]


def test_one_line_in_a_long_text_is_one_line() -> None:
    old = [f"line {number % 1000} {number}" for number in range(30_000)]
    new = [*old[:3], "first", *old[3:15_000], "second", *old[15_001:]]
    found = hunks("\n".join(old), "\n".join(new))
    assert [[line for line in hunk.lines if line[0] != " "] for hunk in found] == [
        [("+", "first")],
        [("-", old[15_000]), ("+", "second")],
    ]


def test_texts_made_to_be_slow_are_not_slower_than_such_that_are_not() -> None:
    lines = [str(number) for number in range(40_000)]
    plain, turned, mixed, few = lines[1:], lines[::-1], list(lines), ["a", "b"] * 20_000
    random.Random(1).shuffle(mixed)
    texts = {name: "\n".join(text) for name, text in (("x", turned), ("y", mixed), ("z", few))}
    usual = _seconds("\n".join(lines), "\n".join(plain))
    for text in texts.values():
        assert _seconds("\n".join(lines), text) < 50 * usual + 1
        assert _seconds(text, "\n".join(["b", *text.splitlines(), "a"])) < 50 * usual + 1


def _seconds(old: str, new: str) -> float:
    start = time.process_time()
    hunks(old, new)
    return time.process_time() - start
