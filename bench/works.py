"""The works that the rows measure, each in rounds, interleaved: round 1 of every tool, then round 2.

Within a round every tool does the same verb before any tool does the next one, and who begins changes from
round to round. Every round starts from fresh repositories.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.areas import MB, Area, warm
from bench.measure import Figure, rotated, run
from bench.peers import Peer, Restic, Vml
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

    def clock(self, row: str, tool: str, figure: Figure) -> None:
        """Keep a figure's seconds, and how much the machine was disturbed meanwhile."""
        if row in self.wanted:
            self.results.others_cores.append(figure.others_cores)
        self.record(row, tool, figure.seconds, "s")

    def record(self, row: str, tool: str, value: float, unit: str) -> None:
        """Keep a value, and say it at once: a bench takes minutes."""
        if row in self.wanted:
            self.results.add(row, tool, value)
            print(f"  {row:<16} {tool:<10} {value:9.3f} {unit}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure_area(bench: Bench, area: Area) -> None:
    """Measure first, unchanged, changed, restore, size and memory on A."""
    verbs = [verb for verb in _VERBS if verb == "first" or bench.wants(verb, "memory")]
    measure_rounds(bench, area, bench.peers, verbs)


def measure_many(bench: Bench, area: Area) -> None:
    """Measure first and unchanged on many small files."""
    for row in ("many-first", "many-unchanged"):
        bench.results.scope[row] = f"{area.files - 1:,} files"
    measure_rounds(bench, area, bench.peers, ("first", "unchanged"), prefix="many-")


def measure_rounds(
    bench: Bench, area: Area, kinds: Sequence[type[Peer]], verbs: Sequence[str], prefix: str = ""
) -> None:
    """Let every tool do the verbs in rounds and record them as rows of this prefix; verify the last restores.

    What was restored stays until all rounds are over. ext4 gives the inode of a removed file to nobody else for
    35 s, and steps over each such inode for every new file: after 17,000 files are removed, a restore that takes
    2 s takes 4 s, and who makes files fastest loses most. Nobody restores into that.
    """
    say(f"{area.path.name}: {area.files} files, {area.bytes / MB:.0f} MB")
    restored = bench.scratch / "restored"
    for number in range(bench.rounds):
        say(f"round {number + 1} of {bench.rounds}")
        home = bench.scratch / f"round-{number}"
        peers = [kind(home / kind.name, restored / str(number)) for kind in rotated(kinds, number)]
        _round(bench, area, peers, verbs, prefix)
        if "restore" in verbs and number == bench.rounds - 1:
            for peer in peers:
                verify(area.path, peer.restored, peer.name, peer.whole_seconds)
        shutil.rmtree(home)
    shutil.rmtree(restored, ignore_errors=True)  # none was made where nothing was restored


def measure_large(bench: Bench, area: Area) -> None:
    """Measure the peak memory on one large file, once: memory is no matter of luck.

    Every tool captures it; ours restores it as well. One tool after the other, as the disk may be small.
    """
    say(f"{area.path.name}: {area.bytes / MB:.0f} MB")
    bench.results.scope["memory-large"] = f"{area.bytes / 1000 / MB:g} GB"
    for kind in bench.peers:
        peer = kind(bench.scratch / "large" / kind.name)
        peer.create()
        peak = peer.take(area).peak_bytes
        if kind is Vml:
            peak = max(peak, peer.restore(peer.restored).peak_bytes)
            verify(area.path, peer.restored, peer.name, peer.whole_seconds)
        bench.record("memory-large", peer.name, peak / MB, "MB")
        peer.remove()


def measure_list(bench: Bench, count: int, row: str = "list") -> None:
    """Measure the listing of many entries; restic lists the same repository, with its cache warm too."""
    say(f"making {count} entries")
    if row == "list":
        bench.results.scope[row] = f"{count:,} entries"
    ours = Vml(bench.scratch / "list" / Vml.name)
    made = run([sys.executable, "-m", "bench.entries", str(count)], ours.environ)
    lists: dict[str, Callable[[], Figure]] = {Vml.name: lambda: ours.run("list", "--json")}
    if Restic in bench.peers:
        theirs = Restic(bench.scratch / "list" / Restic.name)
        theirs.lend(ours.repository, Path(made.output.decode().strip()))
        lists[Restic.name] = lambda: theirs.run("snapshots", "--json")
    for listing in lists.values():
        _require_all(listing(), count)  # not measured: it warms index and cache
    for number in range(bench.rounds):
        for name in rotated(list(lists), number):
            figure = lists[name]()
            _require_all(figure, count)
            bench.clock(row, name, figure)
    shutil.rmtree(bench.scratch / "list")


def _require_all(figure: Figure, count: int) -> None:
    listed = json.loads(figure.output)
    entries = listed["entries"] if isinstance(listed, dict) else listed
    if len(entries) != count:
        raise SystemExit(f"{len(entries)} entries were listed, not {count}")


def _round(bench: Bench, area: Area, peers: Sequence[Peer], verbs: Sequence[str], prefix: str) -> None:
    peaks: dict[str, int] = defaultdict(int)
    for verb in verbs:
        if verb == "changed":
            area.change()
        for peer in peers:
            figure = _do(verb, peer, area)
            if figure:
                bench.clock(prefix + verb, peer.name, figure)
                peaks[peer.name] = max(peaks[peer.name], figure.peak_bytes)
            if verb == "first":
                bench.record(f"{prefix}size", peer.name, peer.size_bytes() / MB, "MB")
    for name, peak in peaks.items():
        bench.record(f"{prefix}memory", name, peak / MB, "MB")


def _do(verb: str, peer: Peer, area: Area) -> Figure | None:
    """Let a tool do one verb; None where it has nothing to show for it, as it begins anew each time.

    What it reads is in the page cache: borg asks the kernel to drop what it has read, and the next one would pay.
    """
    warm(peer.repository if verb == "restore" else area.path)
    if verb == "restore":
        return peer.restore(peer.restored)
    if verb == "first":
        peer.create()
    elif not peer.remembers and verb == "unchanged":
        return None
    figure = peer.take(area)
    return figure if verb == "first" or peer.remembers else None
