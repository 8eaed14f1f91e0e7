"""The full count of accidents: ``make soak``. Prints one line for each kind; ends at the first that is not borne.

python -m durability [--kills 200] [--every 1] [--verbs snapshot forget empty prune] [--only kill calls fail crowd s3]
                     [--kinds ENOSPC EIO ENOSPC+ EIO+] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from radosgw import gateway
from s3_proxy import Fault, Traffic, proxy

from durability import trials
from durability.crowd import Crowd
from durability.ground import Ground
from durability.places import Bucket, Folder
from durability.victim import compile_shim, runner

_LOST = (Fault.CUT_UPLOAD, Fault.CUT_DOWNLOAD, Fault.LOST_ANSWER, Fault.SLOW_DOWN)
_ALL = ("kill", "calls", "fail", "crowd", "s3", "s3-crowd")


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="vml-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if {"kill", "calls", "fail"} & set(arguments.only):
            _in_a_folder(folder, arguments)
        if "crowd" in arguments.only:
            _let_work(Crowd(folder / "crowd", str(folder / "crowd" / "logbook"), {}, arguments.rounds))
        if {"s3", "s3-crowd"} & set(arguments.only):
            _over_s3(folder, arguments)
    return 0


def _in_a_folder(folder: Path, arguments: argparse.Namespace) -> None:
    with runner(folder / "run", compile_shim(folder)) as vml:
        ground = Ground(folder / "ground", Folder(), vml)
        for verb in arguments.verbs:
            if "kill" in arguments.only:
                _say(trials.kill(ground, verb, arguments.kills, arguments.seed))
            if "calls" in arguments.only:
                _say(trials.kill_at_calls(ground, verb, arguments.every))
            if "fail" in arguments.only:
                kinds = [trials.KIND_NAMES[name] for name in arguments.kinds]
                for report in trials.fail(ground, verb, arguments.every, kinds):
                    _say(report)


def _over_s3(folder: Path, arguments: argparse.Namespace) -> None:
    (folder / "ceph").mkdir()
    with gateway(folder / "ceph") as server, proxy(server.port) as traffic, runner(folder / "run") as vml:
        if "s3" in arguments.only:
            place = Bucket(traffic.endpoint, server.make_bucket(), server.environ())
            _lose_and_kill(Ground(folder / "ground over S3", place, vml), traffic, arguments)
        if "s3-crowd" in arguments.only:
            os.environ.update(server.environ())
            url = f"s3:{server.endpoint}/{server.make_bucket()}/logbook"
            _let_work(Crowd(folder / "crowd over S3", url, server.environ(), arguments.rounds))


def _lose_and_kill(ground: Ground, traffic: Traffic, arguments: argparse.Namespace) -> None:
    for verb in arguments.verbs:
        for fault in _LOST:
            _say(trials.lose(ground, verb, traffic, fault, arguments.every))
        _say(trials.lose(ground, verb, traffic, Fault.CUT_UPLOAD, 8 * arguments.every, for_good=True))
        _say(trials.kill(ground, verb, arguments.kills // 5, arguments.seed))


def _let_work(crowd: Crowd) -> None:
    crowd.folder.mkdir()
    crowd.run()
    crowd.judge()
    _say(f"side by side in {crowd.url}: {crowd}")


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m durability", description=__doc__)
    arguments.add_argument("--kills", type=int, default=200, help="random moments for each verb")
    arguments.add_argument(
        "--every", type=int, default=1, help="of the writing calls or requests, let the n-th fail"
    )
    arguments.add_argument("--rounds", type=int, default=5, help="snapshots by each of those side by side")
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments.add_argument("--verbs", nargs="+", choices=trials.VERBS, default=trials.VERBS)
    arguments.add_argument(
        "--kinds",
        nargs="+",
        choices=trials.KIND_NAMES,
        default=list(trials.KIND_NAMES),
        help="+: and all later ones",
    )
    arguments.add_argument("--only", nargs="+", choices=_ALL, default=_ALL)
    return arguments.parse_args()


def _end(number: int, frame: object) -> None:
    """Tell what was done so far to whoever ends a run that takes too long for them."""
    _say(f"ended early: {trials.Report.latest}")
    sys.exit(128 + number)


def _say(report: object) -> None:
    print(time.strftime("%H:%M:%S"), report, flush=True)


if __name__ == "__main__":
    sys.exit(main())
