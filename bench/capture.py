"""Capture from a machine after a change of 1 MB in an area of 10 GB: ``make bench-capture``.

    vml restore ENTRY;  in it: write 1 MB;  vml capture M      the whole process, from the shell to its end

The area is ten files of 1 GiB that are mostly holes, and 2,000 small ones. Prints a table; ``--runs N`` sets how
often a change is made and captured (default 5). Fails where the median takes longer than the limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.guest import run_in
from bench.restore import bench_settings
from vml_jupyter.flows import machines
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.restore import restore
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

LIMIT_S = 2.0


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=5)
    runs = arguments.parse_args().runs
    with (
        tempfile.TemporaryDirectory(prefix="vml-bench-") as name,
        served(mini.build(load().data, SILENT)) as url,
    ):
        settings = bench_settings(Path(name), url)
        entry = capture(settings, large_area(Path(name) / "area"), release="4.5.0.1")
        machine = restore(settings, entry.id).machine.id
        try:
            measured = [captured(settings, machine, number) for number in range(runs)]
        finally:
            machines.delete(settings, machine)
    wall, work = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"{entry.bytes / 1e9:.1f} GB in {entry.files} files, 1 MB changed, {runs} captures")
    print(f"  first capture          {measured[0][0]:6.2f} s")
    print(f"  median, whole process  {wall:6.2f} s   limit {LIMIT_S} s")
    print(f"  its processor time     {work:6.2f} s")
    return int(wall > LIMIT_S)


def large_area(area: Path) -> Path:
    area.mkdir()
    for number in range(10):
        with (area / f"run{number}.root").open("wb") as file:
            file.write(os.urandom(1 << 20))
            file.truncate(1 << 30)
    for number in range(2000):
        path = area / f"part{number % 20}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * 100)
    return area


def captured(settings: Settings, machine: str, number: int) -> tuple[float, float]:
    """Change 1 MB in the machine and capture it; return seconds of the clock and of processors."""
    run_in(settings, machine, f"import os; open('part3/new{number}.bin', 'wb').write(os.urandom(1_000_000))")
    environ = {**os.environ, "VML_DATA": str(settings.data), "VML_CONFIG": str(settings.config)}
    command = [sys.executable, "-m", "vml_jupyter.cli.main", "capture", machine, "--json"]
    before, begun = processor_s(), time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True)
    return time.perf_counter() - begun, processor_s() - before


def processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
