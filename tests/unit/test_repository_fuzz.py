"""A short look at every parser of untrusted bytes: genuine input, changed a little, breaks none of them.

The long one is ``make soak``.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from untrusted import TARGETS, seeds
from untrusted_others import COSTLY_OTHERS

SEEDS = seeds()
COSTLY = ("hostile_index", "hostile_snapshot", "hostile_tree", "hostile_pack", "altered", *COSTLY_OTHERS)
ROUNDS = {name: 25 if name in COSTLY else 200 for name in TARGETS}
EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=4
)
WORDS = (
    b"-1",
    b"1e9",
    b"18446744073709551616",
    b"null",
    b'"',
    b"{}",
    b"[",
    b"\\ud800",
    b"\xff",
    b"..",
    b"/",
    b"\0",
)


def changed(seed: bytes, edits: list[tuple[int, int, bytes]], word: bytes | None, at: int) -> bytes:
    """Return ``seed`` with some bytes replaced, and perhaps a word that parsers stumble over put in."""
    raw = seed
    for position, length, replacement in edits:
        start = position % (len(raw) + 1)
        raw = raw[:start] + replacement + raw[start + length :]
    at %= len(raw) + 1
    return raw if word is None else raw[:at] + word + raw[at:]


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_our_own_errors_comes_out(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)

    @settings(max_examples=ROUNDS[name], database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(SEEDS[name]), EDITS, st.sampled_from(WORDS) | st.none(), st.integers(0, 5000))
    def look(seed: bytes, edits: list[tuple[int, int, bytes]], word: bytes | None, at: int) -> None:
        TARGETS[name](changed(seed, edits, word, at))

    look()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 64,
        b"\xff" * 64,
        b"{}",
        b"[]",
        b'{"packs":null}',
        b"[" * 10_000,
        b'{"zz":' + b"[" * 3_000 + b"]" * 3_000 + b"}",
        b"\x81\xa2zz" + b"\x91" * 3_000 + b"\x01",
    ],
)
def test_what_is_nothing_at_all(name: str, raw: bytes) -> None:
    TARGETS[name](raw)
