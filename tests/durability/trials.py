"""The accidents: kills at random moments, and every writing call that fails, each on a fresh copy and judged.

create | snapshot | forget | empty | prune   x   SIGKILL after a random time | n-th call fails | all from it on fail
"""

from __future__ import annotations

import errno
import random
import signal
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from s3_proxy import Fault, Traffic

from durability.ground import Ground, Sizes, Trial, spread
from durability.victim import CALLS, Done, calls_seen, faults

VERBS = ("create", "snapshot", "forget", "empty", "prune")
"""What changes a logbook.

``create`` is the first snapshot, which makes it; ``empty`` removes an entry for good, `vml bin empty`.
"""


@dataclass(frozen=True)
class Kind:
    """How a call fails: with which error, which calls are meant, and whether all later ones fail as well."""

    name: str
    error: int
    calls: str = CALLS
    for_good: bool = False


KINDS: Sequence[Kind] = (
    Kind("ENOSPC", errno.ENOSPC),
    Kind("EIO", errno.EIO),
    Kind("fsync", errno.EIO, "fsync"),
    Kind("ENOSPC+", errno.ENOSPC, for_good=True),
    Kind("EIO+", errno.EIO, for_good=True),
    Kind("fsync+", errno.EIO, "fsync", for_good=True),
)
BY_NAME = {kind.name: kind for kind in KINDS}
_RUNS = 3
_TRIES = 3
_RUNS_PER_KILL = 20
_REASONS = (
    "Free space",
    "cannot be used",
    "no room",
    "cannot be reached",
    "does not answer",
)


@dataclass(frozen=True)
class Share:
    """Which of the calls of a run are looked at: every ``every``-th, and of these every ``parts``-th."""

    every: int = 1
    part: int = 0
    parts: int = 1

    def of(self, total: int, first: int = 0) -> Sequence[int]:
        return range(1, total + 1)[first % self.every :: self.every][self.part :: self.parts]


@dataclass
class Report:
    """What was done to one verb, where it met the victim, and what was not borne.

    ``unmet`` counts runs that had ended before what was to happen to them.
    """

    accident: str
    verb: str
    stages: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unmet: int = 0

    @property
    def total(self) -> int:
        return len(self.stages) + len(self.failures)

    def judge(self, what: str, play: Play, trial: Trial, done: Done) -> None:
        """Look at one copy after its accident, and note whether it was borne."""
        try:
            stage = trial.stage()
            play.require_borne(trial)
        except (AssertionError, OSError, ValueError, KeyError) as error:
            self.failures.append(f"{self.accident}, {self.verb}, {what}: {error}")
        else:
            self.stages.append(("done all the same, " if done.status == 0 else "") + stage)

    def __str__(self) -> str:
        met = f" ({self.unmet} not met)" if self.unmet else ""
        borne = f"{len(self.stages)} of {self.total} borne{met}"
        return "\n  ".join([f"{self.accident}, {self.verb}: {borne}. {spread(self.stages)}", *self.failures])


@dataclass
class Play:
    """One verb done to one copy: how to prepare, what to run, and what has to hold afterwards."""

    ground: Ground
    verb: str

    def begin(self) -> Trial:
        trial = self.ground.begin(self.verb)
        if self.verb in ("empty", "prune"):
            trial.succeed("forget", self._leaving)
        if self.verb == "prune":
            trial.succeed("bin", "empty")
        trial.before = set(trial.names())
        return trial

    @property
    def words(self) -> list[str]:
        lines = {
            "create": ["snapshot", str(self.ground.next(self.verb).area)],
            "snapshot": ["snapshot", str(self.ground.next(self.verb).area)],
            "forget": ["forget", self._leaving],
            "empty": ["bin", "empty"],
            "prune": ["prune"],
        }
        return lines[self.verb]

    @property
    def _leaving(self) -> str:
        return self.ground.ids[0]

    def finish(self, trial: Trial) -> Sizes:
        """Judge, go on as a person would, and return the bytes that the repository takes in the end."""
        if self.verb == "create":
            listed = trial.judge_new()
        else:
            listed = trial.judge(self._leaving if self.verb in ("empty", "prune") else None)
        for id in listed:
            if id not in self.ground.entries:
                trial.succeed("forget", id)  # it had come so far; it is taken once more
        if self.verb == "forget" and self._leaving in listed:
            trial.succeed("forget", self._leaving)
        if "config" in trial.names():
            trial.succeed("bin", "empty")
        trial.take_next()
        return trial.prune()

    def reference(self) -> Sizes:
        """Return what the repository takes where nothing happens; found out once."""
        known = self.ground.references
        if self.verb not in known:
            trial = self.begin()
            done = trial.vml(*self.words)
            assert done.status == 0, done.err
            known[self.verb] = self.finish(trial)
        return known[self.verb]

    def require_borne(self, trial: Trial) -> None:
        self.finish(trial).require_as_small_as(self.reference())


def kill(ground: Ground, verb: str, count: int, seed: int) -> Report:
    """Kill ``verb`` ``count`` times at random moments, half of them between its start and its usual end, half
    between the first writing call and that: a short verb reads most of the time.

    A run that had ended by then is none of them, and another takes its place.
    """
    play = Play(ground, verb)
    play.reference()
    first_s, usual_s = _usual(play)
    chance = random.Random(seed)
    report = Report("SIGKILL", verb)
    for _ in range(_RUNS_PER_KILL * count):
        if report.total == count:
            return report
        moment_s = chance.uniform(chance.choice((0.0, first_s)), usual_s)
        trial = play.begin()
        # Of a program that is killed by itself, the processes that it began live on for a moment.
        done = trial.vml(*play.words, kill_after_s=moment_s, with_children=chance.random() < 0.5)
        if done.status == 0:
            report.unmet += 1
            continue
        if done.status != -signal.SIGKILL:
            report.failures.append(f"{verb} failed by itself: {done.err}")
            continue
        report.judge(f"after {moment_s:.4f} of {usual_s:.4f} s, seed {seed}", play, trial, done)
    if report.total < count:
        report.failures.append(f"{verb} had ended before most kills: {report.total} of {count} met it")
    return report


def _usual(play: Play) -> tuple[float, float]:
    """Return when a run makes its first writing call, and when it ends: seconds, medians.

    The first is 0 where the shim sees none, as in a bucket. Found out once.
    """
    if play.verb in play.ground.usual:
        return play.ground.usual[play.verb]
    firsts, ends = [], []
    for _ in range(_RUNS):
        trial = play.begin()
        done = trial.vml(*play.words, **faults(trial.kept))
        firsts.append(max(calls_seen(trial.kept).first - done.begun, 0.0))
        ends.append(done.seconds)
    play.ground.usual[play.verb] = statistics.median(firsts), statistics.median(ends)
    return play.ground.usual[play.verb]


def kill_at_calls(ground: Ground, verb: str, share: Share | None = None) -> Report:
    """Kill ``verb`` just before every writing call, and so after the one before."""
    report = Report("SIGKILL at a call", verb)
    kind = Kind(report.accident, -signal.SIGKILL)
    _at_calls(report, ground, kind, (share or Share()).of(count_of(ground, verb)))
    return report


def fail(ground: Ground, verb: str, kind: Kind, share: Share | None = None) -> Report:
    """Let every call of ``kind`` fail, one in each run."""
    report = Report(kind.name, verb)
    total = count_of(ground, verb, kind.calls)
    _at_calls(report, ground, kind, (share or Share()).of(total, KINDS.index(kind)))
    return report


def _at_calls(report: Report, ground: Ground, kind: Kind, numbers: Sequence[int]) -> None:
    """Do what ``kind`` says at each of these calls.

    Several processes write, so the number of calls differs a little from run to run: one that had
    fewer is made again.
    """
    play = Play(ground, report.verb)
    play.reference()
    for at in numbers:
        for _ in range(_TRIES):
            trial = play.begin()
            told = faults(trial.kept, calls=kind.calls, at=at, error=kind.error, sticky=kind.for_good)
            done = trial.vml(*play.words, **told)
            if calls_seen(trial.kept).calls >= at:
                _judge_told(report, play, trial, done, f"number {at}", killed=kind.error < 0)
                break
        else:
            report.unmet += 1


def _judge_told(
    report: Report, play: Play, trial: Trial, done: Done, what: str, *, killed: bool = False
) -> None:
    try:
        if killed:
            assert done.status == -signal.SIGKILL, f"status {done.status}: {done.err}"
        else:
            _require_said(done)
    except AssertionError as error:
        report.failures.append(f"{report.accident}, {report.verb}, {what}: {error}")
    else:
        report.judge(what, play, trial, done)


def count_of(ground: Ground, verb: str, calls: str = CALLS) -> int:
    """Return how many writing calls one run makes; found out once."""
    if (verb, calls) not in ground.counts:
        ground.counts[verb, calls] = len(calls_of(ground, verb, calls))
    return ground.counts[verb, calls]


def calls_of(ground: Ground, verb: str, calls: str = CALLS) -> list[str]:
    """Return the writing calls of one run below what is kept, in their order, each as "CALL PATH"."""
    play = Play(ground, verb)
    trial = play.begin()
    told = ground.trial / "told"
    done = trial.vml(*play.words, **faults(trial.kept, calls=calls, told=told))
    assert done.status == 0, done.err
    return told.read_text().splitlines()


def lose(
    ground: Ground,
    verb: str,
    traffic: Traffic,
    fault: Fault,
    share: Share | None = None,
    *,
    for_good: bool = False,
) -> Report:
    """Let the connection to the bucket fail at every request: once, or from then on.

    Once is made good by asking again; for good ends the run with one clear line.
    """
    play = Play(ground, verb)
    play.reference()
    report = Report(fault.name + "+" * for_good, verb)
    for at in (share or Share()).of(_requests_of(play, traffic)):
        trial = play.begin()
        seen = traffic.faults
        with traffic.failing(fault, at, for_good=for_good):
            done = trial.vml(*play.words)
        if traffic.faults == seen:
            report.unmet += 1
        elif done.status and not for_good:
            report.failures.append(f"{report.accident}, {verb}, request {at}: {done.err}")
        else:
            _judge_told(report, play, trial, done, f"request {at}")
    return report


def _requests_of(play: Play, traffic: Traffic) -> int:
    """Return how many requests one run makes; found out once."""
    counts = play.ground.counts
    if (play.verb, "requests") not in counts:
        trial = play.begin()
        traffic.clear()
        trial.succeed(*play.words)
        counts[play.verb, "requests"] = len(traffic.requests)
    return counts[play.verb, "requests"]


def _require_said(done: Done) -> None:
    """A run that fails says so in one line, and never with a traceback."""
    assert done.status in (0, 1), f"status {done.status}: {done.err}"
    assert "Traceback" not in done.err, done.err
    if done.status:
        last = done.err.strip().splitlines()[-1]
        assert last.startswith("vml: "), done.err
        assert any(reason in last for reason in _REASONS), last
