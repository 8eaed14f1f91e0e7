"""What an entry costs over S3 for a working area of 17,000 files and 950 MB: requests and bytes, counted by a proxy.

    python tests/soak/s3_traffic.py [--files 17000]

Prints one line for each step, and fails where an entry with 1 MB changed takes more than 1.1 MB + 64 kB or more
than ten requests that write.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from radosgw import gateway
from s3_proxy import Traffic, proxy

_LARGE_BYTES = 50_000_000
_CHANGED_BYTES = 1_000_000
_MOST_BYTES = 1_100_000 + 64 * 1024
_MOST_WRITES = 10


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--files", type=int, default=17_000)
    files = arguments.parse_args().files
    with tempfile.TemporaryDirectory(prefix="vml-traffic-") as name:
        folder = Path(name)
        area = _make_area(folder / "area", files)
        (folder / "ceph").mkdir()
        with gateway(folder / "ceph", memory_bytes=8 << 30) as server, proxy(server.port) as traffic:
            environ = {
                **os.environ,
                **server.environ(),
                "VML_LOGBOOK": f"s3:{traffic.endpoint}/{server.make_bucket()}/logbook",
                "VML_LOGBOOK_PASSWORD": "password",
                "VML_DATA": str(folder / "data"),
                "VML_CONFIG": str(folder / "config"),
            }
            _snapshot(area, environ, traffic, "first")
            _snapshot(area, environ, traffic, "unchanged")
            (area / "changing.bin").write_bytes(os.urandom(_CHANGED_BYTES))
            _snapshot(area, environ, traffic, "a file of 1 MB changed")
            within = traffic.sent_bytes <= _MOST_BYTES and len(traffic.writes) <= _MOST_WRITES
            with (area / "large 0.bin").open("r+b") as file:
                file.seek(_LARGE_BYTES // 2)
                file.write(os.urandom(_CHANGED_BYTES))
            _snapshot(area, environ, traffic, "1 MB changed in the middle of 50 MB")
    return 0 if within else 1


def _make_area(area: Path, files: int) -> Path:
    """Copy Python's own packages; add ten large files, a table, and what changes later."""
    packages = Path(sysconfig.get_paths()["purelib"])
    sources = (path for path in sorted(packages.rglob("*")) if path.is_file() and path.suffix != ".pyc")
    for source in islice(sources, files):
        target = area / "packages" / source.relative_to(packages)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    for number in range(10):
        (area / f"large {number}.bin").write_bytes(os.urandom(_LARGE_BYTES))
    with (area / "events.csv").open("w") as table:
        for row in range(2_500_000):
            table.write(f"{row},{row * 7919 % 10007},{row * 104729 % 1000003 / 1000},{row % 2}\n")
    (area / "changing.bin").write_bytes(os.urandom(_CHANGED_BYTES))
    return area


def _snapshot(area: Path, environ: dict[str, str], traffic: Traffic, what: str) -> None:
    traffic.clear()
    begun = time.monotonic()
    command = [sys.executable, "-m", "vml_jupyter.cli.main", "snapshot", str(area)]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    seconds = time.monotonic() - begun
    print(f"{what:36} {seconds:6.2f} s  {traffic.summary()}; {len(traffic.writes)} that write", flush=True)


if __name__ == "__main__":
    sys.exit(main())
