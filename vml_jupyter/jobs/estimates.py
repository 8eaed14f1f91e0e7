"""How long each stage of a job is going to take, learnt from the last jobs like it.

<cache>/durations.json    {"restore 4.5.0.1": [{"start": 0.4, "ready": 26.1}, ...], ...}   the newest runs last

It is a cache: lost or damaged, nothing is foretold until it has been learnt again.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.jobs.job import Stage
from vml_jupyter.parsing import Parser
from vml_jupyter.replacing import replace_file

_RUNS = 3
_KEYS = 200

_parser = Parser(dict[str, list[dict[str, float]]])


class Estimates:
    """A bounded table in one JSON file; safe between threads.

    Args:
        file: Where it is kept; None remembers nothing.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()

    def of(self, like: str) -> dict[str, float]:
        """Return the seconds of each stage, in the order of the newest run; nothing where nothing is known."""
        runs = self._load().get(like, [])
        if not runs:
            return {}
        return {name: _median(run[name] for run in runs if name in run) for name in runs[-1]}

    def learn(self, like: str, stages: Iterable[Stage]) -> None:
        """Take in how long the stages of a job took that was done."""
        run: dict[str, float] = {}
        for stage in stages:
            run[stage.name] = round(run.get(stage.name, 0.0) + stage.seconds, 3)
        if not like or not run or self._file is None:
            return
        with self._lock:
            table = self._load()
            runs = [*table.pop(like, []), run][-_RUNS:]
            kept = dict([*table.items(), (like, runs)][-_KEYS:])
            with suppress(OSError):
                replace_file(self._file, [msgspec.json.encode(kept)])

    def _load(self) -> dict[str, list[dict[str, float]]]:
        try:
            return _parser.parse(self._file.read_bytes()) if self._file else {}
        except (OSError, msgspec.DecodeError):
            return {}


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 3)
