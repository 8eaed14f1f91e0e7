"""The bench counts what an entry costs over S3, and holds it against the limits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.rows import BUCKET_ROWS

ROOT = Path(__file__).parents[3]


def test_what_two_changes_cost_over_s3_is_counted(tmp_path: Path) -> None:
    names = [row.name for row in BUCKET_ROWS]
    file = tmp_path / "figures.json"
    places = ["--areas", str(tmp_path / "areas"), "--scratch", str(tmp_path), "--json", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.logbook", *places, "--scale", "0.02", "--only", ",".join(names)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(file.read_text())["rows"]}
    assert list(rows) == names
    assert all(set(row["figures"]) == {"vml", "restic"} for row in rows.values())
    assert rows["s3-bytes"]["figures"]["vml"]["median"] > 1, "1 MB that nothing compresses went up"
    assert rows["s3-bytes"]["held"] is True
    assert rows["s3-writes"]["held"] is True
    assert rows["s3-inside"]["limit"] is None
    assert "the pieces that it touches" in rows["s3-inside"]["scope"]
