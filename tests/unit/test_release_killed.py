"""A fetch that is killed at random points goes on where it was, and ends with the right bytes."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from hostile_server import IMAGE, PATH, Handler, hostile
from release_images import signed_disk

KILLS = 20
CONTENT = signed_disk(payload=random.Random(3).randbytes(6 << 20))
FETCH = (
    "import sys; from pathlib import Path;"
    "from vml_jupyter.model import Release; from vml_jupyter.release import fetch;"
    "fetch(Release(system='4.5.0.1', bootloader='2021.05-1', flavour='v4prod'), sys.argv[1], Path(sys.argv[2]))"
)


def slowly(handler: Handler) -> None:
    """Send a range in small pieces, so that a kill finds something half-way."""
    start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    handler.send_response(206 if start else 200)
    handler.send_header("ETag", '"one"')
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(len(CONTENT) - start))
    handler.end_headers()
    for place in range(start, len(CONTENT), 16384):
        handler.wfile.write(CONTENT[place : min(place + 16384, len(CONTENT))])
        handler.server.stopping.wait(0.0005)


def size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_killed_at_twenty_random_points(tmp_path: Path) -> None:
    points = sorted(random.Random(11).sample(range(1, len(CONTENT)), KILLS))
    home = tmp_path / hashlib.sha256(CONTENT).hexdigest()
    part, final = home / f"{IMAGE.file}.part", home / IMAGE.file
    kept = 0
    with hostile(CONTENT, {PATH: slowly}) as server:
        command = [sys.executable, "-c", FETCH, server.url, str(tmp_path)]
        for point in points:
            process = subprocess.Popen(command, env={**os.environ})
            deadline = time.monotonic() + 30
            while size_of(part) < point and process.poll() is None:
                assert time.monotonic() < deadline, f"{size_of(part)} of {point} bytes"
                time.sleep(0.001)
            process.kill()
            process.wait()
            assert not final.exists() or final.read_bytes() == CONTENT
            assert size_of(part) >= kept or final.exists(), "what has arrived is kept"
            kept = size_of(part)
            if final.exists():
                break
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        asked = server.asked.count(PATH)
    assert final.read_bytes() == CONTENT
    assert [file.name for file in home.iterdir()] == [IMAGE.file]
    assert asked >= KILLS / 2, "and each time it went on"
