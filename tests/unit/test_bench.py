"""The bench measures what it says: every row is there, figures are positive, and what is wrong is found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab_server import Lab

from bench.areas import area_a, files_of, many
from bench.measure import Spread, rotated, run
from bench.restore_ways import by_click
from bench.rows import ROWS, Results, Row
from bench.verify import verify
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Environment

ROOT = Path(__file__).parents[2]
PROGRAMS = ("restic", "borg", "zstd", "tar")


def bench(tmp_path: Path, *arguments: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """Run the bench at a tiny scale; return what it prints and its rows by name."""
    file = tmp_path / "figures.json"
    places = ["--areas", str(tmp_path / "areas"), "--scratch", str(tmp_path), "--json", str(file)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.logbook", *places, "--rounds", "1", "--print-only", *arguments],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("vml-bench-")] == []
    return done.stdout, {row["name"]: row for row in json.loads(file.read_text())["rows"]}


def test_every_tool_has_figures_for_every_row_of_an_area(tmp_path: Path) -> None:
    names = ["first", "unchanged", "changed", "restore", "size", "memory"]
    printed, rows = bench(tmp_path, "--scale", "0.0003", "--only", ",".join(names))
    assert list(rows) == names
    for name, row in rows.items():
        forgetful = name in ("unchanged", "changed")
        assert set(row["figures"]) == {"vml", "restic", "borg"} | (set() if forgetful else {"tar+zstd"})
        assert all(figure["least"] > 0 for figure in row["figures"].values())
        assert row["ratio"] > 0
        assert row["held"] in (True, False)
        assert f"| {row['work']} |" in printed


def test_the_list_of_entries_is_measured_beside_restic_on_the_same_repository(tmp_path: Path) -> None:
    _, rows = bench(tmp_path, "--scale", "0.003", "--only", "list")
    assert rows["list"]["scope"] == "30 entries"
    assert set(rows["list"]["figures"]) == {"vml", "restic"}


def test_growth_beyond_what_was_measured_is_marked_as_on_paper(tmp_path: Path) -> None:
    sizes = ["--growth-files", "10", "--growth-gb", "0", "--growth-entries", "10"]
    printed, rows = bench(tmp_path, "--growth", "--scale", "0.001", "--peers", "vml", *sizes)
    verbs = ("first", "unchanged", "changed", "restore", "size", "memory")
    paper = {name for name, row in rows.items() if row["scope"] == "on paper"}
    assert paper == {f"files-{size}-{verb}" for size in (100, 1000) for verb in verbs} | {"entries-100-list"}
    assert all(row["figures"]["vml"]["median"] > 0 for row in rows.values() if "gb" not in row["name"])
    assert "1,000 files (on paper)" in printed


def test_a_bench_that_is_ended_leaves_nothing(tmp_path: Path) -> None:
    places = ["--areas", str(tmp_path / "areas"), "--scratch", str(tmp_path)]
    command = [sys.executable, "-m", "bench.logbook", *places, "--peers", "vml", "--scale", "0.0003"]
    with subprocess.Popen(
        [*command, "--rounds", "99"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        assert any("unchanged" in line for line in process.stderr)  # it is in the middle of a round
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["areas"]


def test_a_row_that_is_not_there_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.logbook", "--only", "first,fastest"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "fastest" in done.stderr


def test_areas_are_the_same_every_time(tmp_path: Path) -> None:
    one, other = area_a(tmp_path / "one", 0.001), area_a(tmp_path / "other", 0.001)
    assert one.path.name == other.path.name
    assert (one.files, one.bytes) == (other.files, other.bytes)
    for file in files_of(one.path):
        assert file.read_bytes() == (other.path / file.relative_to(one.path)).read_bytes()
    assert one.files == 17 + 10 + 1 + 1
    assert {file.stat().st_size for file in files_of(one.path / "random")} == {50_000}


def test_an_area_is_made_once(tmp_path: Path) -> None:
    made = many(tmp_path, 7).path
    before = {file: file.stat().st_mtime_ns for file in files_of(made)}
    assert many(tmp_path, 7).path == made
    assert {file: file.stat().st_mtime_ns for file in files_of(made)} == before
    assert [file.stat().st_size for file in before if file.suffix == ".txt"] == [1000] * 7


def test_memory_and_time_of_all_processes_of_a_command_are_measured() -> None:
    size, seconds = 80_000_000, 0.5
    program = f"import time; held = b'x' * {size}; time.sleep({seconds})"
    pipeline = '"$0" -c "$1" | "$0" -c "$1"'
    figure = run(["sh", "-c", pipeline, sys.executable, program], os.environ)
    assert 2 * size < figure.peak_bytes < 3 * size
    assert figure.seconds > seconds


def test_a_command_that_fails_ends_the_bench_with_its_words() -> None:
    with pytest.raises(SystemExit, match="no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"], os.environ)


@pytest.mark.parametrize("harm", ["content", "time", "mode", "missing", "more"])
def test_a_wrong_restore_is_found(tmp_path: Path, harm: str) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    (source / "below").mkdir(parents=True)
    file = source / "below" / "file"
    file.write_text("as it was")
    shutil.copytree(source, restored)
    verify(source, restored, "copy", whole_seconds=False)
    hurt = restored / "below" / "file"
    stat = hurt.stat()
    if harm == "content":
        hurt.write_text("as it is!")
        os.utime(hurt, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif harm == "time":
        os.utime(hurt, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    elif harm == "mode":
        hurt.chmod(0o600)
    elif harm == "missing":
        hurt.unlink()
    else:
        (restored / "other").touch()
    with pytest.raises(SystemExit, match="copy restored something else"):
        verify(source, restored, "copy", whole_seconds=False)


def test_what_was_read_must_be_remembered_to_be_fetched_ahead(settings: Settings) -> None:
    """Also where nothing was ever remembered, and not even its folder is there."""
    entry = Entry(id="abcdefgh1234", time="2026-02-03T16:30:00Z", title="Fit", environment=Environment())
    for _ in range(2):
        with pytest.raises(SystemExit, match="nothing is remembered"):
            by_click(settings, Lab("http://127.0.0.1:9/", ""), entry, ahead=True)
        (settings.cache / "images" / "opened").mkdir(parents=True, exist_ok=True)


def test_limits_are_held_against_the_best_rival() -> None:
    results = Results(frozenset({"restic", "borg"}))
    for tool, values in {
        "vml": (1, 2, 9),
        "restic": (4, 5, 6),
        "borg": (7, 7, 7),
        "tar+zstd": (1, 1, 1),
    }.items():
        for value in values:
            results.add("first", tool, value)
    assert results.best_rival("first") == "restic"
    assert results.ratio("first") == pytest.approx(0.4)
    assert results.held(Row("first", "", "s", 0.4)) is True
    assert results.held(Row("first", "", "s", 0.39)) is False
    assert results.held(Row("first", "", "s", 1.9, relative=False)) is False
    assert results.held(Row("unmeasured", "", "s", 1.0)) is None
    assert results.spread("first", "vml") == Spread((1, 2, 9))
    assert [rotated("abc", by) for by in (0, 1, 5)] == [list("abc"), list("bca"), list("cab")]


def test_every_limit_of_the_table_is_positive_and_every_row_named_once() -> None:
    assert all(row.limit > 0 for row in ROWS if row.limit is not None)
    assert [row.name for row in ROWS if row.limit is None] == ["s3-inside", "s3-inside-writes"]
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_environment_is_measured_beside_a_python_that_does_nothing() -> None:
    words = [sys.executable, "-m", "bench.environment", "--runs", "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    plain, own, verdict = done.stdout.splitlines()
    assert plain.startswith("python -c pass ")
    assert own.startswith("vml environment --json ")
    assert done.returncode == (0 if "s for the second: held" in verdict else 1), done.stderr
    assert float(own.split()[3]) > float(plain.split()[3]) > 0
