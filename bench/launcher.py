"""A launcher beside ``vml restore`` of the same entry on the same computer, both cold: ``make bench-launcher``.

    --pairs N       how often each, in turn; the one that goes first changes (3)
    --scratch DIR   where the area and its logbook are kept for the next run; a temporary folder otherwise

Each run is the whole process from the shell, until it says that the notebook can be opened. The release is on the
computer for both, and there is no warm state. What the launcher does beyond a restore: it pairs, gets its context and
working area from a Jupyter server over HTTP, finds the image by its digest, and tries the accelerators, none of which
it remembers. Prints the medians and their ratio, and ends with status 1 where that is above the limit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from integration.launcher_scene import Elsewhere, Server, elsewhere, running

from bench.restore import bench_settings, cleared
from bench.restore_areas import MB, entry_of
from bench.restore_ways import environ_of, vml_restore
from bench.table import machine
from vml_jupyter.flows import machines
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.model import Entry
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

LIMIT = 1.1
AREA_BYTES = 10 * MB


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vml-bench-")))
        scratch = arguments.scratch or temporary
        scratch.mkdir(parents=True, exist_ok=True)
        url = stack.enter_context(served(mini.build(load().data, SILENT)))
        settings = bench_settings(scratch, url)
        stack.callback(cleared, settings)
        entry = entry_of(settings, scratch, AREA_BYTES)
        image = provide(settings, release_of(settings, entry, None))
        (temporary / "jupyter").mkdir()
        server = stack.enter_context(running(temporary / "jupyter", environ_of(settings, warm=False)))
        restored: list[float] = []
        launched: list[float] = []
        for number in range(arguments.pairs):
            home = temporary / f"home-{number}"
            for way in ("launcher", "restore") if number % 2 else ("restore", "launcher"):
                if way == "restore":
                    restored.append(by_restore(settings, entry))
                else:
                    launched.append(by_launcher(server, entry, image, home))
            told = f"restore {restored[-1]:.1f} s, launcher {launched[-1]:.1f} s"
            print(f"pair {number + 1}: {told}", flush=True)
    return report(restored, launched)


def by_restore(settings: Settings, entry: Entry) -> float:
    """Restore by the command line, and return the seconds."""
    begun, told = vml_restore(settings, entry, warm=False)
    seconds = time.monotonic() - begun
    machines.delete(settings, told["machine"])
    return seconds


def by_launcher(server: Server, entry: Entry, image: Path, home: Path) -> float:
    """Run a launcher, and return the seconds."""
    given = server.get(f"vml/entries/{entry.id}/launcher")
    given.raise_for_status()
    with elsewhere(home, given.content, "launch.py", "--images", str(image.parent)) as there:
        return timed(there)


def timed(there: Elsewhere) -> float:
    begun = time.monotonic()
    there.run()
    return time.monotonic() - begun


def report(restored: list[float], launched: list[float]) -> int:
    middle = statistics.median(restored), statistics.median(launched)
    ratio = middle[1] / middle[0]
    print(machine())
    print(
        f"vml restore {middle[0]:.1f} s ({min(restored):.1f}-{max(restored):.1f}), "
        f"launcher {middle[1]:.1f} s ({min(launched):.1f}-{max(launched):.1f})"
    )
    print(f"ratio {ratio:.3f}, limit {LIMIT}: {'held' if ratio <= LIMIT else 'MISSED'}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
