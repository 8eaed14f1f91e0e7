"""Restores beside a hand-written QEMU boot and a bare libvirt restore, in turn, in one run: ``make bench-restore``.

    --runs N          how often each, the median counts (3)
    --sizes 10,1000   working areas in MB (10,1000,10000: the last takes 10 GB of disk twice while it is made)
    --scratch DIR     where areas and their logbook are kept for the next run; a temporary folder otherwise

Prints a table in Markdown and ends with status 1 where a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from lab_server import running_lab

from bench.restore_areas import MB, RELEASE, entry_of
from bench.restore_ways import Run, by_click, by_hand, by_libvirt, by_shell, environ_of
from bench.table import machine
from vml_jupyter.flows import machines, warming
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import named_release, release_of
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.machine.session import end_daemon
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

Runs = dict[str, list[Run]]


def main() -> int:
    arguments = parsed()
    with ExitStack() as stack:
        scratch = arguments.scratch or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="vml-bench-"))
        )
        scratch.mkdir(parents=True, exist_ok=True)
        url = stack.enter_context(served(mini.build(load().data, SILENT)))
        settings = bench_settings(scratch, url)
        stack.callback(cleared, settings)
        runs = measured(settings, scratch, [size * MB for size in arguments.sizes], arguments.runs)
    return report(runs, arguments.sizes)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--sizes", type=lambda text: [int(word) for word in text.split(",")], default=[10, 1000, 10000]
    )
    parser.add_argument("--scratch", type=Path)
    return parser.parse_args()


def bench_settings(folder: Path, url: str) -> Settings:
    environ = {
        "VML_DATA": str(folder / "data"),
        "VML_CONFIG": str(folder / "config"),
        "VML_RELEASE_URLS": url,
        "VML_WARM_QUOTA_MIB": "8192",
    }
    return load(environ)


def cleared(settings: Settings) -> None:
    for left in machines.list_machines(settings):
        machines.delete(settings, left.id)
    if os.geteuid() == 0:
        end_daemon(settings.data)


def measured(settings: Settings, scratch: Path, sizes: list[int], times: int) -> Runs:
    entries = {size: entry_of(settings, scratch, size) for size in sizes}
    provide(settings, named_release(settings, RELEASE))
    smallest = entries[min(sizes)]
    assert release_of(settings, smallest, None).system == RELEASE
    warming.warm(settings, RELEASE)
    runs: Runs = {}
    (scratch / "jupyter").mkdir(exist_ok=True)
    with running_lab(scratch / "jupyter", environ_of(settings)) as lab:
        for number in range(times):
            print(f"round {number + 1} of {times}", file=sys.stderr)
            runs.setdefault("by hand", []).append(by_hand(settings, smallest, scratch))
            runs.setdefault("cold", []).append(by_shell(settings, smallest, warm=False))
            runs.setdefault("shell", []).append(by_shell(settings, smallest, warm=True))
            runs.setdefault("libvirt", []).append(by_libvirt(settings))
            for size, entry in entries.items():
                runs.setdefault(f"warm {size // MB}", []).append(by_click(settings, lab, entry))
                runs.setdefault(f"ahead {size // MB}", []).append(by_click(settings, lab, entry, ahead=True))
    return runs


def report(runs: Runs, sizes: list[int]) -> int:
    """Print the table, and the limits; fail where one is missed."""
    print(f"{machine()}\n\n| way | to the notebook's content, s | to its first cell, s |\n|---|---|---|")
    for name, each in runs.items():
        cells = spread([run.cell for run in each]) if each[0].cell else ""
        print(f"| {called(name)} | {spread([run.jupyter for run in each])} | {cells} |")
    print()
    first, last = (f"warm {size}" for size in (min(sizes), max(sizes)))
    read_mb = max(run.read_bytes for run in runs[last]) / 1e6
    limits = [
        (
            "warm to Jupyter over bare libvirt restore, s",
            jupyter(runs, first) - jupyter(runs, "libvirt"),
            2.0,
        ),
        ("warm over cold, to the first cell", cell(runs, first) / cell(runs, "cold"), 0.35),
        ("cold over by hand, to Jupyter", jupyter(runs, "cold") / jupyter(runs, "by hand"), 1.1),
        (
            f"{max(sizes)} MB over {min(sizes)} MB, warm to the first cell",
            cell(runs, last) / cell(runs, first),
            1.1,
        ),
        (f"MB read by the server of an area of {max(sizes)} MB, its code and index included", read_mb, None),
    ]
    print("| | is | at most | |\n|---|---|---|---|")
    for what, found, limit in limits:
        verdict = "" if limit is None else "held" if found <= limit else "**missed**"
        print(f"| {what} | {found:.2f} | {'' if limit is None else limit} | {verdict} |")
    return 0 if all(limit is None or found <= limit for _, found, limit in limits) else 1


def called(name: str) -> str:
    """Return what a row is called: a way, or a way and the size of the area in MB."""
    way, _, size = name.partition(" ")
    if not size.isdecimal():
        return {"libvirt": "libvirt alone", "shell": "warm, by `vml restore`"}.get(name, name)
    return f"warm, {size} MB" + (", what was read last time fetched ahead" if way == "ahead" else "")


def jupyter(runs: Runs, name: str) -> float:
    return statistics.median(run.jupyter for run in runs[name])


def cell(runs: Runs, name: str) -> float:
    return statistics.median(run.cell for run in runs[name])


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    sys.exit(main())
