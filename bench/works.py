"""The works that the rows measure, each in rounds, interleaved: round 1 of every tool, then round 2.

Within a round every tool does the same verb before any tool does the next one, and who begins changes from
round to round. Every round starts from fresh repositories.
"""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.areas import MB, Area
from bench.measure import Figure, rotated
from bench.peers import Peer
from bench.rows import Results
from bench.verify import verify

_VERBS = ("first", "unchanged", "changed", "restore")


@dataclass
class Bench:
    """What all works share: where to write, who takes part, which rows are wanted, how often."""

    scratch: Path
    peers: Sequence[type[Peer]]
    wanted: Collection[str]
    rounds: int
    results: Results

    def wants(self, *names: str) -> bool:
        return any(name in self.wanted for name in names)

    def record(self, row: str, tool: str, value: float, unit: str) -> None:
        """Keep a value, and say it at once: a bench takes minutes."""
        if row in self.wanted:
            self.results.add(row, tool, value)
            print(f"  {row:<16} {tool:<10} {value:9.3f} {unit}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure_area(bench: Bench, area: Area) -> None:
    """Measure first, unchanged, changed, restore, size and memory on A, and verify the last round's restores."""
    say(f"A: {area.files} files, {area.bytes / MB:.0f} MB")
    area.warm()
    verbs = [verb for verb in _VERBS if verb == "first" or bench.wants(verb, "memory")]
    for number in range(bench.rounds):
        say(f"round {number + 1} of {bench.rounds}")
        home = bench.scratch / f"a{number}"
        peers = [kind(home / kind.name) for kind in rotated(bench.peers, number)]
        _round_on_area(bench, area, peers, verbs)
        if "restore" in verbs and number == bench.rounds - 1:
            for peer in peers:
                verify(area.path, peer.home / "restored", peer.name, peer.whole_seconds)
        shutil.rmtree(home)


def _round_on_area(bench: Bench, area: Area, peers: Sequence[Peer], verbs: Sequence[str]) -> None:
    peaks: dict[str, int] = defaultdict(int)
    for verb in verbs:
        if verb == "changed":
            area.change()
        for peer in peers:
            figure = _do(verb, peer, area)
            if figure:
                bench.record(verb, peer.name, figure.seconds, "s")
                peaks[peer.name] = max(peaks[peer.name], figure.peak_bytes)
            if verb == "first":
                bench.record("size", peer.name, peer.size_bytes() / MB, "MB")
    for name, peak in peaks.items():
        bench.record("memory", name, peak / MB, "MB")


def _do(verb: str, peer: Peer, area: Area) -> Figure | None:
    """Let a tool do one verb; None where it has nothing to show for it, as it begins anew each time."""
    if verb == "restore":
        return peer.restore(peer.home / "restored")
    if verb == "first":
        peer.create()
    elif not peer.remembers and verb == "unchanged":
        return None
    figure = peer.take(area)
    return figure if verb == "first" or peer.remembers else None
