"""``vml environment`` beside a Python that does nothing: ``make bench-environment``.

    python -c pass                  what any program in Python takes
    vml environment --json          the whole process, in a folder that is a git checkout

Prints medians of whole processes, on the wall and of processor time; ``--runs N`` sets how many (default 15). The exit
status is 1 where the limit is missed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.measure import rotated, run

LIMIT_S = 0.2
_COMMANDS = {
    "python -c pass": ("-c", "pass"),
    "vml environment --json": ("-m", "vml_jupyter.cli.main", "environment", "--json"),
}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=15)
    runs = arguments.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="vml-bench-") as name:
        taken = measured(Path(name), runs)
    medians = {name: statistics.median(seconds for seconds, _ in each) for name, each in taken.items()}
    for name, each in taken.items():
        wall, work = zip(*each, strict=True)
        spread = f"{min(wall):.3f}-{max(wall):.3f}"
        print(
            f"{name:<24} {medians[name]:6.3f} s ({spread})  processor time {statistics.median(work):6.3f} s"
        )
    plain, own = medians.values()
    held = own < LIMIT_S
    print(
        f"limit {LIMIT_S} s for the second: {'held' if held else 'missed'}; without Python {own - plain:.3f} s"
    )
    return int(not held)


def measured(folder: Path, runs: int) -> dict[str, list[tuple[float, float]]]:
    """Return seconds on the wall and of processors for each command, who begins changing from run to run."""
    area = folder / "area"
    area.mkdir()
    (area / "notes.txt").write_text("a file\n")
    who = ["-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=area, check=True)
    environ = {**os.environ, "VML_DATA": str(folder / "data"), "VML_CONFIG": str(folder / "config")}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in _COMMANDS}
    for number in range(-1, runs):  # the first fills caches and is not counted
        for name in rotated(list(_COMMANDS), number):
            value = _one(_COMMANDS[name], environ, area)
            if number >= 0:
                taken[name].append(value)
    return taken


def _one(words: Sequence[str], environ: dict[str, str], area: Path) -> tuple[float, float]:
    before = processor_s()
    seconds = run([sys.executable, *words], environ, area).seconds
    return seconds, processor_s() - before


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
