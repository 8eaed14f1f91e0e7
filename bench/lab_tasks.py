"""Long tasks of a page's main thread in which our code ran, from a trace of Chromium's.

    RunTask       what the main thread did without a pause: ts, dur, tdur in microseconds
    ProfileChunk  samples of its stack, about one a millisecond: node ids with their parents, and time deltas

A task counts as ours, whole, where one sample in it has a function of the labextension anywhere on its stack. So what
React, JupyterLab and the browser did on our behalf in that task counts, too, and also what had nothing to do with us.
The format is described in Chromium's docs/memory-infra and in "Trace Event Format"; profiles are those of the
DevTools protocol (Profiler.Profile).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

OURS = "/labextensions/vml-jupyter/"
_MOST_FUNCTIONS = 5

Event = dict[str, Any]
Thread = tuple[int, int]


@dataclass(frozen=True)
class Task:
    """How long it took, on the clock and of the processor, and which functions of ours were seen in it."""

    ms: float
    cpu_ms: float
    functions: tuple[str, ...]


def tasks_of_ours(trace: Path, least_ms: float) -> list[Task]:
    """Return the tasks of at least ``least_ms`` in which a function of ours was seen."""
    events: list[Event] = json.loads(trace.read_bytes())["traceEvents"]
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    found = []
    for thread in main:
        times, names = _samples(events, thread)
        for event in events:
            if (event["pid"], event["tid"]) != thread or event["name"] != "RunTask":
                continue
            if event.get("dur", 0) < 1000 * least_ms:
                continue
            first, last = (bisect_left(times, event["ts"] + late) for late in (0, event["dur"]))
            ours = [name for name in names[first:last] if name]
            if ours:
                often = sorted(set(ours), key=ours.count, reverse=True)[:_MOST_FUNCTIONS]
                found.append(Task(event["dur"] / 1000, event.get("tdur", 0) / 1000, tuple(often)))
    return found


def _samples(events: list[Event], thread: Thread) -> tuple[list[float], list[str]]:
    """Return when the stack of a thread was looked at, and the innermost function of ours on it, '' for none."""
    profiles = {
        (event["pid"], event["id"]): event["args"]["data"]["startTime"]
        for event in events
        if event["name"] == "Profile" and (event["pid"], event["tid"]) == thread
    }
    seen: list[tuple[float, str]] = []
    for key, begun in profiles.items():
        chunks = [
            event["args"]["data"]
            for event in events
            if event["name"] == "ProfileChunk" and (event["pid"], event.get("id")) == key
        ]
        ours: dict[int, str] = {}
        samples: list[int] = []
        deltas: list[float] = [begun]
        for chunk in chunks:
            profile = chunk.get("cpuProfile", {})
            for node in profile.get("nodes", ()):
                ours[node["id"]] = _name(node["callFrame"]) or ours.get(node.get("parent", 0), "")
            samples += profile.get("samples", ())
            deltas += chunk.get("timeDeltas", ())
        times = list(accumulate(deltas))[1:]
        seen += zip(times, (ours.get(sample, "") for sample in samples), strict=False)
    seen.sort()
    return [at for at, _ in seen], [name for _, name in seen]


def _name(frame: dict[str, Any]) -> str:
    if OURS not in frame.get("url", ""):
        return ""
    name = frame.get("functionName") or "anonymous"
    place = f"{frame.get('lineNumber', 0)}:{frame.get('columnNumber', 0)}"
    return f"{name} ({frame['url'].rpartition('/')[2].partition('?')[0]} {place})"
