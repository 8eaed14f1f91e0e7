"""The logbook beside restic, borg and ``tar | zstd``, in one run: ``make bench-logbook``.

    working areas (cached) -> rounds of every tool, interleaved -> verified -> Markdown table, JSON beside

Options choose rows, rounds and scale; ``--growth`` measures the growth table instead. The exit status is 1
where a limit is missed, unless ``--print-only``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import platformdirs

from bench import areas, bucket, growth
from bench.peers import PEERS, Peer, Vml
from bench.rows import BUCKET_ROWS, ROWS, Results, Row
from bench.table import markdown, write_json
from bench.works import Bench, measure_area, measure_large, measure_list, measure_many

_ON_A = {"first", "unchanged", "changed", "restore", "size", "memory"}


def main() -> int:
    arguments = _parser().parse_args()
    rows = growth.rows(arguments.scale) if arguments.growth else _chosen(arguments.only)
    peers = _present(arguments.peers.split(","))
    tools = {peer.name: peer.version() for peer in peers}
    results = Results(frozenset(peer.name for peer in peers if peer.rival))
    signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(128 + number)
    )  # unwinds, so that nothing stays
    scratch = Path(tempfile.mkdtemp(prefix="vml-bench-", dir=arguments.scratch))
    try:
        with areas.alone(arguments.areas):
            measure = _measure_growth if arguments.growth else _measure
            measure(Bench(scratch, peers, {row.name for row in rows}, arguments.rounds, results), arguments)
    finally:
        if arguments.keep:
            print(f"kept: {scratch}", file=sys.stderr)
        else:
            shutil.rmtree(scratch)
    return _report(rows, results, tools, arguments)


def _measure(bench: Bench, arguments: argparse.Namespace) -> None:
    scale = arguments.scale
    if bench.wants(*_ON_A):
        measure_area(bench, areas.area_a(arguments.areas, scale))
    if bench.wants("many-first", "many-unchanged"):
        measure_many(bench, areas.many(arguments.areas, round(100_000 * scale)))
    if bench.wants("list"):
        measure_list(bench, round(10_000 * scale))
    if bench.wants(*(row.name for row in BUCKET_ROWS)):
        bucket.measure_bucket(bench, areas.area_a(arguments.areas, scale))
    if bench.wants("memory-large"):
        size_bytes = round(arguments.large * 1000 * scale) * areas.MB
        with areas.large(arguments.areas, size_bytes) as area:
            measure_large(bench, area)


def _measure_growth(bench: Bench, arguments: argparse.Namespace) -> None:
    up_to = {
        "files": arguments.growth_files,
        "gb": arguments.growth_gb,
        "entries": arguments.growth_entries,
    }
    growth.measure_growth(bench, arguments.areas, arguments.scale, up_to)


def _chosen(only: str | None) -> list[Row]:
    """Return the rows that are asked for; of all, those over S3 only where its server is installed."""
    names = only.split(",") if only else [row.name for row in ROWS]
    if unknown := set(names) - {row.name for row in ROWS}:
        raise SystemExit(f"no such rows: {', '.join(sorted(unknown))}")
    over_s3 = {row.name for row in BUCKET_ROWS} & set(names)
    if over_s3 and (missing := bucket.missing()):
        said = f"not installed: {', '.join(missing)}. `sh .ci/packages s3` installs the S3 server."
        if only:
            raise SystemExit(said)
        print(f"Nothing is measured over S3: {said}", file=sys.stderr)
        names = [name for name in names if name not in over_s3]
    return [row for row in ROWS if row.name in names]


def _report(rows: list[Row], results: Results, tools: dict[str, str], arguments: argparse.Namespace) -> int:
    print(markdown(rows, results, tools))
    if arguments.json:
        write_json(arguments.json, rows, results, tools)
    missed = [row.name for row in rows if results.held(row) is False]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed and not arguments.print_only else 0


def _present(names: list[str]) -> list[type[Peer]]:
    """Return the tools of these programs; this project always takes part."""
    chosen = [peer for peer in PEERS if peer is Vml or peer.name in names]
    if missing := [peer.program for peer in chosen if peer.missing()]:
        raise SystemExit(f"not installed: {', '.join(missing)}. `sh .ci/packages bench` installs the peers.")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.logbook", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="ROW,...", help=f"of {', '.join(row.name for row in ROWS)}")
    parser.add_argument(
        "--peers",
        metavar="TOOL,...",
        default=",".join(peer.name for peer in PEERS),
        help="default: %(default)s",
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply numbers and sizes (default: 1)")
    parser.add_argument(
        "--large", type=float, default=10.0, metavar="GB", help="the large file (default: 10)"
    )
    parser.add_argument("--growth", action="store_true", help="measure how the work grows instead")
    parser.add_argument(
        "--growth-files",
        type=float,
        default=1e5,
        metavar="N",
        help="most files measured; more are on paper (default: 100000)",
    )
    parser.add_argument(
        "--growth-gb", type=float, default=1.0, metavar="GB", help="largest file measured (default: 1)"
    )
    parser.add_argument(
        "--growth-entries",
        type=float,
        default=1e4,
        metavar="N",
        help="longest list measured (default: 10000)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    parser.add_argument("--print-only", action="store_true", help="exit with 0 even where a limit is missed")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where repositories are made and removed")
    parser.add_argument("--keep", action="store_true", help="leave them there")
    parser.add_argument(
        "--areas", type=Path, metavar="DIR", default=platformdirs.user_cache_path("vml-bench"),
        help="where the working areas are kept (default: %(default)s)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
