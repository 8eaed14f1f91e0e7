"""The table of accidents: which cells it has, who works on them at the same time, and how it is printed.

cell    one accident, one verb, in a folder or over S3          "EIO, prune": n of n borne
part    some of a cell's trials; parts are spread over processes, each with a ground of its own
"""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from radosgw import Gateway
from s3_proxy import Fault, Traffic, proxy

from durability import trials
from durability.ground import Ground
from durability.places import Bucket, Folder
from durability.trials import BY_NAME, VERBS, Report, Share
from durability.victim import runner

LOST = (Fault.CUT_UPLOAD, Fault.CUT_DOWNLOAD, Fault.LOST_ANSWER, Fault.SLOW_DOWN)
FOR_GOOD = Fault.CUT_UPLOAD
_VERB_TITLES = {"empty": "bin empty"}
_KILLS_PER_PART = 20
_SAID = {
    "SIGKILL": "SIGKILL at random moments",
    "SIGKILL at a call": "SIGKILL before a writing call",
    "ENOSPC": "ENOSPC at a writing call",
    "EIO": "EIO at a writing call",
    "fsync": "a failing fsync",
    "ENOSPC+": "ENOSPC from a writing call on",
    "EIO+": "EIO from a writing call on",
    "fsync+": "every fsync fails from one on",
    "CUT_UPLOAD": "connection lost in a request",
    "CUT_DOWNLOAD": "connection lost in an answer",
    "LOST_ANSWER": "connection lost before an answer",
    "SLOW_DOWN": "503 Slow Down",
    "CUT_UPLOAD+": "connection lost from a request on",
}


@dataclass(frozen=True)
class Part:
    """Some trials of a cell: kills are counted, calls and requests shared out."""

    place: str
    accident: str
    verb: str
    count: int = 0
    seed: int = 0
    share: Share = field(default_factory=Share)


def folder_parts(
    verbs: Sequence[str],
    only: Sequence[str],
    kinds: Sequence[str],
    kills: int,
    seed: int,
    every: int,
    jobs: int,
) -> list[Part]:
    """Return the parts of everything that is done to a logbook in a folder."""
    accidents = ["SIGKILL at a call"] * ("calls" in only) + list(kinds) * ("fail" in only)
    return [
        part
        for verb in verbs
        for part in (
            *(_kill_parts("folder", verb, kills, seed) if "kill" in only else ()),
            *(
                Part("folder", name, verb, share=Share(every, number, 2 * jobs))
                for name in accidents
                for number in range(2 * jobs)
            ),
        )
    ]


def s3_parts(verbs: Sequence[str], kills: int, seed: int, every: int, jobs: int) -> list[Part]:
    """Return the parts of everything that is done to a logbook in a bucket."""
    # For good costs a minute of asking again each time.
    lost = [(fault.name, every) for fault in LOST] + [(f"{FOR_GOOD.name}+", 8 * every)]
    return [
        part
        for verb in verbs
        for part in (
            *_kill_parts("s3", verb, kills, seed),
            *(
                Part("s3", name, verb, share=Share(step, number, jobs))
                for name, step in lost
                for number in range(jobs)
            ),
        )
    ]


def _kill_parts(place: str, verb: str, kills: int, seed: int) -> Iterator[Part]:
    for number, first in enumerate(range(0, kills, _KILLS_PER_PART)):
        yield Part(place, "SIGKILL", verb, min(_KILLS_PER_PART, kills - first), seed + number)


def work(
    parts: Sequence[Part], jobs: int, folder: Path, shim: Path, server: Gateway | None = None
) -> Iterator[tuple[Part, Report]]:
    """Yield each part with its report as it is done, by ``jobs`` processes; they end with the generator."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _begin_worker, (folder, shim, server)) as pool:
        yield from pool.imap_unordered(_do, parts)


class _Worker:
    """What one process of the pool keeps: a runner, and a ground for each place."""

    def __init__(self, folder: Path, shim: Path, server: Gateway | None) -> None:
        # Nothing of the stack is undone: the pool ends its processes, and all below the folder is removed.
        self._stack = ExitStack()
        self._folder = folder / f"process {multiprocessing.current_process().name}"
        self._vml = self._stack.enter_context(runner(self._folder / "run", shim))
        self._server = server
        self._grounds: dict[str, tuple[Ground, Traffic]] = {}

    def do(self, part: Part) -> Report:
        ground, traffic = self._ground(part.place)
        if part.accident == "SIGKILL":
            return trials.kill(ground, part.verb, part.count, part.seed)
        if part.accident == "SIGKILL at a call":
            return trials.kill_at_calls(ground, part.verb, part.share)
        if part.accident in BY_NAME:
            return trials.fail(ground, part.verb, BY_NAME[part.accident], part.share)
        fault, for_good = Fault[part.accident.rstrip("+")], part.accident.endswith("+")
        return trials.lose(ground, part.verb, traffic, fault, part.share, for_good=for_good)

    def _ground(self, place: str) -> tuple[Ground, Traffic]:
        if place not in self._grounds:
            traffic = Traffic()
            where: Folder | Bucket = Folder()
            if place == "s3":
                assert self._server
                traffic = self._stack.enter_context(proxy(self._server.port))
                where = Bucket(traffic.endpoint, self._server.make_bucket(), self._server.environ())
            self._grounds[place] = Ground(self._folder / place, where, self._vml), traffic
        return self._grounds[place]


_worker: _Worker | None = None


def _begin_worker(folder: Path, shim: Path, server: Gateway | None) -> None:
    global _worker
    _worker = _Worker(folder, shim, server)


def _do(part: Part) -> tuple[Part, Report]:
    assert _worker
    return part, _worker.do(part)


@dataclass
class Table:
    """The reports of all parts so far, joined to cells."""

    cells: dict[tuple[str, str, str], Report] = field(default_factory=dict)

    def add(self, part: Part, report: Report) -> None:
        cell = self.cells.setdefault((part.place, part.accident, part.verb), Report(part.accident, part.verb))
        cell.stages += report.stages
        cell.failures += report.failures
        cell.unmet += report.unmet

    @property
    def failures(self) -> list[str]:
        return [failure for cell in self.cells.values() for failure in cell.failures]

    @property
    def total(self) -> int:
        return sum(cell.total for cell in self.cells.values())

    def markdown(self) -> str:
        """Return one row for each accident, one column for each verb: how many were borne of how many."""
        verbs = [verb for verb in VERBS if any(verb == key[2] for key in self.cells)]
        lines = [
            f"| | {' | '.join(_VERB_TITLES.get(verb, verb) for verb in verbs)} |",
            "|---" * (len(verbs) + 1) + "|",
        ]
        for place in ("folder", "s3"):
            for accident, said in _SAID.items():
                row = [self.cells.get((place, accident, verb)) for verb in verbs]
                if any(row):
                    title = said if place == "folder" else f"S3: {said}"
                    lines.append(f"| {title} | {' | '.join(map(_cell, row))} |")
        return "\n".join(lines)

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {
                "place": place,
                "accident": accident,
                "verb": verb,
                "borne": len(cell.stages),
                "total": cell.total,
                "unmet": cell.unmet,
                "stages": dict(Counter(cell.stages)),
                "failures": cell.failures,
            }
            for (place, accident, verb), cell in self.cells.items()
        ]

    def write_json(self, file: Path, **facts: object) -> None:
        file.write_text(json.dumps({**facts, "cells": self.as_json()}, indent=2) + "\n")


def _cell(report: Report | None) -> str:
    if report is None:
        return ""
    # Of kills at random moments only those count that met it. Of calls, several processes make some more or fewer.
    unmet = f", {report.unmet} not met" if report.unmet and report.accident != "SIGKILL" else ""
    return f"{len(report.stages)} of {report.total}{unmet}"
