"""The accidents: kills at random moments, and every writing call that fails, each on a fresh copy and judged.

snapshot | forget | empty | prune   x   SIGKILL after a random time | n-th call fails | it and all later ones fail
"""

from __future__ import annotations

import errno
import random
import signal
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from s3_proxy import Fault, Traffic

from durability.ground import Ground, Trial, space_given_back, spread
from durability.victim import CALLS, Done, faults

VERBS = ("snapshot", "forget", "empty", "prune")
"""What changes a logbook; ``empty`` is what removes an entry for good, `vml bin empty`."""
Kind = tuple[str, bool]
KINDS: Sequence[Kind] = (("ENOSPC", False), ("EIO", False), ("ENOSPC", True), ("EIO", True))
"""How a call fails, and whether all later ones do as well."""
KIND_NAMES = {name + "+" * for_good: (name, for_good) for name, for_good in KINDS}
_RUNS = 3
_REASONS = (
    "Free space",
    "cannot be used",
    "no room",
    "cannot be reached",
    "does not answer",
)


@dataclass
class Report:
    """What was done, and where it met the victim."""

    title: str
    stages: list[str] = field(default_factory=list)
    latest: ClassVar[Report | None] = None

    def __post_init__(self) -> None:
        Report.latest = self

    def __str__(self) -> str:
        return f"{self.title}: {len(self.stages)} times, all well. {spread(self.stages)}"


@dataclass
class Play:
    """One verb done to one copy: how to prepare, what to run, and what has to hold afterwards."""

    ground: Ground
    verb: str

    def begin(self) -> Trial:
        trial = self.ground.begin()
        if self.verb in ("empty", "prune"):
            trial.succeed("forget", self._leaving)
        if self.verb == "prune":
            trial.succeed("bin", "empty")
        trial.before = set(trial.names())
        return trial

    @property
    def words(self) -> list[str | Path]:
        lines: dict[str, list[str | Path]] = {
            "snapshot": ["snapshot", self.ground.next_area],
            "forget": ["forget", self._leaving],
            "empty": ["bin", "empty"],
            "prune": ["prune"],
        }
        return lines[self.verb]

    @property
    def _leaving(self) -> str:
        return self.ground.ids[0]

    def finish(self, trial: Trial) -> int:
        """Judge, go on as a person would, and return the bytes that the repository takes in the end."""
        listed = trial.judge(self._leaving if self.verb in ("empty", "prune") else None)
        for id in listed:
            if id not in self.ground.entries:
                trial.succeed("forget", id)  # it had come so far; it is taken once more
        if self.verb == "forget" and self._leaving in listed:
            trial.succeed("forget", self._leaving)
        trial.succeed("bin", "empty")
        if self.verb == "prune":
            trial.succeed("prune")
        trial.take_next()
        return trial.prune()

    def reference_bytes(self) -> int:
        """Return what the repository takes where nothing happens; found out once."""
        known = self.ground.references
        if self.verb not in known:
            trial = self.begin()
            done = trial.vml(*self.words)
            assert done.status == 0, done.err
            known[self.verb] = self.finish(trial)
        return known[self.verb]

    def require_space_back(self, bytes_now: int, reference_bytes: int) -> None:
        assert space_given_back(bytes_now, reference_bytes), (
            f"{bytes_now} bytes, {reference_bytes} without accident"
        )


def kill(ground: Ground, verb: str, count: int, seed: int) -> Report:
    """Kill ``verb`` at ``count`` random moments between its start and its usual end."""
    play = Play(ground, verb)
    reference = play.reference_bytes()
    usual_s = statistics.median(play.begin().vml(*play.words).seconds for _ in range(_RUNS))
    chance = random.Random(seed)
    report = Report(f"SIGKILL in {verb} (seed {seed}, {usual_s * 1000:.0f} ms long)")
    for number in range(count):
        moment_s = chance.uniform(0, usual_s)
        trial = play.begin()
        # Of a program that is killed by itself, the processes that it began live on for a moment.
        done = trial.vml(*play.words, kill_after_s=moment_s, with_children=chance.random() < 0.5)
        assert done.status in (0, -signal.SIGKILL), done.err
        report.stages.append("ended before" if done.status == 0 else trial.stage())
        try:
            play.require_space_back(play.finish(trial), reference)
        except AssertionError as error:
            raise AssertionError(
                f"{verb} {number} of seed {seed}, after {moment_s:.4f} s: {error}"
            ) from error
    return report


def kill_at_calls(ground: Ground, verb: str, every: int = 1) -> Report:
    """Kill ``verb`` just before every ``every``-th writing call, and so after the one before."""
    play = Play(ground, verb)
    reference = play.reference_bytes()
    total = len(calls_of(ground, verb))
    report = Report(f"SIGKILL at a writing call of {verb} ({total} calls)")
    for at in range(1, total + 1, every):
        trial = play.begin()
        done = trial.vml(*play.words, **faults(Path(trial.url), at=at, error=-signal.SIGKILL))
        assert done.status in (0, -signal.SIGKILL), done.err
        report.stages.append("ended before" if done.status == 0 else trial.stage())
        try:
            play.require_space_back(play.finish(trial), reference)
        except AssertionError as error:
            raise AssertionError(f"{verb}, killed at call {at}: {error}") from error
    return report


def calls_of(ground: Ground, verb: str, calls: str = CALLS) -> list[str]:
    """Return the writing calls of one run below the logbook, in their order, each as "CALL PATH"."""
    play = Play(ground, verb)
    trial = play.begin()
    told = ground.trial / "told"
    done = trial.vml(*play.words, **faults(Path(trial.url), calls=calls, told=told))
    assert done.status == 0, done.err
    return told.read_text().splitlines()


def fail(ground: Ground, verb: str, every: int = 1, kinds: Sequence[Kind] = KINDS) -> Iterator[Report]:
    """Let every call, or every ``every``-th, fail: once and from then on, for want of room and by a bad disk."""
    play = Play(ground, verb)
    reference = play.reference_bytes()
    total = len(calls_of(ground, verb))
    for name, for_good in kinds:
        kind = "and all later ones " if for_good else ""
        report = Report(f"{name} at a writing call {kind}of {verb} ({total} calls)")
        for at in range(1 + KINDS.index((name, for_good)) % every, total + 1, every):
            trial = play.begin()
            told = faults(Path(trial.url), at=at, error=getattr(errno, name), sticky=for_good)
            done = trial.vml(*play.words, **told)
            try:
                _require_said(done)
                report.stages.append(("done all the same, " if done.status == 0 else "") + trial.stage())
                play.require_space_back(play.finish(trial), reference)
            except AssertionError as error:
                raise AssertionError(f"{report.title}: number {at}: {error}") from error
        yield report


def lose(
    ground: Ground, verb: str, traffic: Traffic, fault: Fault, every: int = 1, *, for_good: bool = False
) -> Report:
    """Let the connection to the bucket fail at every ``every``-th request: once, or from then on.

    Once is made good by asking again; for good ends the run with one clear line.
    """
    play = Play(ground, verb)
    reference = play.reference_bytes()
    trial = play.begin()
    traffic.clear()
    assert trial.vml(*play.words).status == 0
    total = len(traffic.requests)
    kind = "from a request on" if for_good else "at one request"
    report = Report(f"{fault.name} {kind} of {verb} ({total} requests)")
    for at in range(1, total + 1, every):
        trial = play.begin()
        with traffic.failing(fault, at, for_good=for_good):
            done = trial.vml(*play.words)
        try:
            _require_said(done)
            assert for_good or done.status == 0, done.err
            report.stages.append(trial.stage())
            play.require_space_back(play.finish(trial), reference)
        except AssertionError as error:
            raise AssertionError(f"{fault.name} at request {at} of {verb}: {error}") from error
    return report


def _require_said(done: Done) -> None:
    """A run that fails says so in one line, and never with a traceback."""
    assert done.status in (0, 1), f"status {done.status}: {done.err}"
    assert "Traceback" not in done.err, done.err
    if done.status:
        last = done.err.strip().splitlines()[-1]
        assert last.startswith("vml: "), done.err
        assert any(reason in last for reason in _REASONS), last
