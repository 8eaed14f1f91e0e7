"""The full count of accidents: ``make soak``. Prints one line for each kind; ends at the first that is not borne.

python -m durability [--kills 200] [--every 1] [--verbs snapshot forget empty prune] [--only kill calls fail crowd s3]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from radosgw import gateway
from s3_proxy import Fault, proxy

from durability import trials
from durability.crowd import Crowd
from durability.ground import Ground
from durability.places import Bucket, Folder
from durability.victim import compile_shim, runner

_LOST = (Fault.CUT_UPLOAD, Fault.CUT_DOWNLOAD, Fault.LOST_ANSWER, Fault.SLOW_DOWN)
_ALL = ("kill", "calls", "fail", "crowd", "s3")
_ROUNDS = 5


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="vml-soak-") as name:
        folder = Path(name)
        with runner(folder / "run", compile_shim(folder)) as vml:
            ground = Ground(folder / "ground", Folder(), vml)
            for verb in arguments.verbs:
                if "kill" in arguments.only:
                    _say(trials.kill(ground, verb, arguments.kills, arguments.seed))
                if "calls" in arguments.only:
                    _say(trials.kill_at_calls(ground, verb, arguments.every))
                if "fail" in arguments.only:
                    for report in trials.fail(ground, verb, arguments.every):
                        _say(report)
        if "crowd" in arguments.only:
            _let_work(Crowd(folder / "crowd", str(folder / "crowd" / "logbook"), {}, _ROUNDS))
        if "s3" in arguments.only:
            _over_s3(folder, arguments)
    return 0


def _over_s3(folder: Path, arguments: argparse.Namespace) -> None:
    (folder / "ceph").mkdir()
    with gateway(folder / "ceph") as server, proxy(server.port) as traffic, runner(folder / "run") as vml:
        place = Bucket(traffic.endpoint, server.make_bucket(), server.environ())
        ground = Ground(folder / "ground over S3", place, vml)
        for verb in arguments.verbs:
            for fault in _LOST:
                _say(trials.lose(ground, verb, traffic, fault, arguments.every))
            _say(trials.lose(ground, verb, traffic, Fault.CUT_UPLOAD, 8 * arguments.every, for_good=True))
            _say(trials.kill(ground, verb, arguments.kills // 5, arguments.seed))
        os.environ.update(server.environ())
        url = f"s3:{server.endpoint}/{server.make_bucket()}/logbook"
        _let_work(Crowd(folder / "crowd over S3", url, server.environ(), _ROUNDS))


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
    arguments.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments.add_argument("--verbs", nargs="+", choices=trials.VERBS, default=trials.VERBS)
    arguments.add_argument("--only", nargs="+", choices=_ALL, default=_ALL)
    return arguments.parse_args()


def _say(report: object) -> None:
    print(time.strftime("%H:%M:%S"), report, flush=True)


if __name__ == "__main__":
    sys.exit(main())
