"""Ten thousand entries, listed and searched, beside ``restic snapshots``: one process each, interleaved.

    first       vml list --json, nothing kept on this computer yet
    vml         vml list --json, the same again
    search      vml list --search "muon jet" --json
    restic      restic snapshots --json, its cache warm
    python      python -c pass, the least that any of ours can take

Prints a table of medians; ``--entries N`` and ``--runs N`` set how many. Each entry lies in packs of its own, as it
does where each was a snapshot of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vml_jupyter.environment import describe
from vml_jupyter.flows.entries import opened_or_created
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.logbook import document
from vml_jupyter.model import Entry, new_entry_id
from vml_jupyter.repository import Snapshot
from vml_jupyter.snapshot import take

WORDS = [
    "muon",
    "calibration",
    "fit",
    "background",
    "signal",
    "trigger",
    "alignment",
    "efficiency",
    "jet",
    "tau",
    "photon",
    "veto",
    "tracker",
]
VML = [sys.executable, "-m", "vml_jupyter.cli.main", "list", "--json"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=10_000)
    arguments.add_argument("--runs", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="vml-bench-") as name:
        folder = Path(name)
        environ = {**os.environ, "VML_DATA": str(folder / "data"), "VML_CONFIG": str(folder / "config")}
        settings = load(environ)
        fill(settings, folder, asked.entries)
        environ |= {"RESTIC_PASSWORD": settings.password() or "", "RESTIC_CACHE_DIR": str(folder / "restic")}
        restic = ["restic", "-r", settings.logbook, "snapshots", "--json"]
        run(restic, environ)
        times = {"first": [run(VML, environ)], "vml": [], "search": [], "restic": [], "python": []}
        for _ in range(asked.runs):
            times["python"].append(run([sys.executable, "-c", "pass"], environ))
            times["vml"].append(run(VML, environ))
            times["restic"].append(run(restic, environ))
            times["search"].append(run([*VML, "--search", "muon jet"], environ))
    print(f"{asked.entries} entries    seconds, median of {asked.runs}    to restic")
    for what, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{what:10} {median:14.2f} {median / statistics.median(times['restic']):24.2f}")
    return 0


def run(words: list[str], environ: dict[str, str]) -> float:
    begun = time.perf_counter()
    subprocess.run(words, env=environ, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def fill(settings: Settings, folder: Path, count: int) -> None:
    """Write entries as years would: records first, each flushed, then the snapshots that name them."""
    words = random.Random(1)  # the same every time
    environment = describe()
    (folder / "area").mkdir()
    with opened_or_created(settings) as logbook, logbook.repository.lock():
        repository = logbook.repository
        tree = take(repository, folder / "area").tree
        written = []
        for number in range(count):
            entry = Entry(
                id=new_entry_id(),
                time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_600_000_000 + 3600 * number)),
                title=" ".join(words.choices(WORDS, k=5)),
                note=" ".join(words.choices(WORDS, k=60)),
                environment=environment,
                area=str(folder / "area"),
                tags=(words.choice(WORDS),),
            )
            written.append((entry, document.save_root(repository, entry, tree)))
            repository.flush()
        for entry, root in written:
            snapshot = Snapshot(time=entry.time, tree=root, paths=[entry.area], tags=document.tags_of(entry))
            repository.save_snapshot(snapshot)


if __name__ == "__main__":
    sys.exit(main())
