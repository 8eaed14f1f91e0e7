"""The full count of accidents: ``make soak``. Prints a line for each part, and one table in the end.

python -m durability [--jobs 2] [--kills 200] [--every 1] [--s3-every 1] [--verbs create snapshot forget empty prune]
                     [--only kill calls fail s3 crowd s3-crowd] [--kinds ENOSPC EIO fsync ENOSPC+ EIO+ fsync+]
                     [--rounds 5] [--json FILE]

The exit status is 1 where something was not borne. Everything lies in memory (``--folder`` for elsewhere).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from radosgw import Gateway, gateway

from durability import cells, trials
from durability.cells import Part, Table
from durability.crowd import Crowd
from durability.victim import compile_shim

_ALL = ("kill", "calls", "fail", "s3", "crowd", "s3-crowd")
_MEMORY = Path("/dev/shm")


def main() -> int:
    arguments = _arguments()
    signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(128 + number)
    )  # what was done is told all the same
    begun, table, crowds = time.monotonic(), Table(), []
    try:
        with tempfile.TemporaryDirectory(
            prefix="vml-soak-", dir=arguments.folder, ignore_cleanup_errors=True
        ) as name:
            _do_all(Path(name), arguments, table, crowds)
    finally:
        seconds = time.monotonic() - begun
        print("", table.markdown() if table.cells else "Nothing is counted yet.", "", *crowds, sep="\n")
        borne = table.total - len(table.failures)
        print(
            f"{borne} of {table.total} borne, {seconds / 60:.1f} minutes, seed {arguments.seed}", flush=True
        )
        if arguments.json:
            table.write_json(arguments.json, seed=arguments.seed, seconds=seconds, crowds=crowds)
    return 1 if table.failures else 0


def _do_all(folder: Path, arguments: argparse.Namespace, table: Table, crowds: list[str]) -> None:
    shim = compile_shim(folder)
    ours = cells.folder_parts(
        arguments.verbs, arguments.only, arguments.kinds, arguments.kills, arguments.seed, arguments.every,
        arguments.jobs,
    )  # fmt: skip
    _work(ours, folder / "in a folder", shim, arguments, table)
    if "crowd" in arguments.only:
        _let_work(Crowd(folder / "crowd", str(folder / "crowd" / "logbook"), {}, arguments.rounds), crowds)
    if {"s3", "s3-crowd"} & set(arguments.only):
        (folder / "ceph").mkdir()
        with gateway(folder / "ceph") as server:
            _over_s3(folder, shim, server, arguments, table, crowds)


def _over_s3(
    folder: Path, shim: Path, server: Gateway, arguments: argparse.Namespace, table: Table, crowds: list[str]
) -> None:
    if "s3" in arguments.only:
        kills = arguments.kills // 5
        parts = cells.s3_parts(arguments.verbs, kills, arguments.seed, arguments.s3_every, arguments.jobs)
        _work(parts, folder / "over S3", shim, arguments, table, server)
    if "s3-crowd" in arguments.only:
        os.environ.update(server.environ())
        url = f"s3:{server.endpoint}/{server.make_bucket()}/logbook"
        _let_work(Crowd(folder / "crowd over S3", url, server.environ(), arguments.rounds), crowds)


def _work(
    parts: Sequence[Part],
    folder: Path,
    shim: Path,
    arguments: argparse.Namespace,
    table: Table,
    server: Gateway | None = None,
) -> None:
    if not parts:
        return
    folder.mkdir()
    begun = time.monotonic()
    for part, report in cells.work(parts, arguments.jobs, folder, shim, server):
        table.add(part, report)
        if report.total or report.unmet:
            _say(report)
    _say(f"{len(parts)} parts in {time.monotonic() - begun:.0f} s")


def _let_work(crowd: Crowd, crowds: list[str]) -> None:
    crowd.folder.mkdir()
    crowd.run()
    crowd.judge()
    where = "over S3" if crowd.url.startswith("s3:") else "in a folder"
    crowds.append(f"Side by side {where}: {crowd}")
    _say(crowds[-1])


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(
        prog="python -m durability", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    arguments.add_argument(
        "--kills", type=int, default=200, help="random moments for each verb; over S3 a fifth of them"
    )
    arguments.add_argument("--every", type=int, default=1, help="of the writing calls, let the n-th fail")
    arguments.add_argument("--s3-every", type=int, default=1, help="of the requests, let the n-th fail")
    arguments.add_argument("--rounds", type=int, default=5, help="snapshots by each of those side by side")
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments.add_argument("--verbs", nargs="+", choices=trials.VERBS, default=trials.VERBS)
    names = [kind.name for kind in trials.KINDS]
    arguments.add_argument("--kinds", nargs="+", choices=names, default=names, help="+: and all later ones")
    arguments.add_argument("--only", nargs="+", choices=_ALL, default=_ALL)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the counts here as well")
    arguments.add_argument(
        "--folder", type=Path, metavar="DIR", default=_MEMORY if _MEMORY.is_dir() else None,
        help="where the logbooks are made and removed (default: %(default)s)",
    )  # fmt: skip
    return arguments.parse_args()


def _say(report: object) -> None:
    print(time.strftime("%H:%M:%S"), report, flush=True)


if __name__ == "__main__":
    sys.exit(main())
