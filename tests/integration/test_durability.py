"""A sample of the accidents that ``make soak`` counts in full: kills, full and failing disks; counts are printed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from durability import trials
from durability.ground import Ground, Sizes
from durability.places import Folder
from durability.victim import CALLS, compile_shim, faults, runner


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("durability")
    with runner(folder / "run", compile_shim(folder)) as vml:
        yield Ground(folder / "ground", Folder(), vml)


@pytest.mark.parametrize("verb", ["snapshot", "forget", "prune"])
def test_killed_at_any_moment(ground: Ground, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = trials.kill(ground, verb, count=2, seed=20)
    _tell(report, capsys)
    assert (len(report.stages), report.failures) == (2, [])


@pytest.mark.parametrize("verb", trials.VERBS)
def test_killed_between_two_writing_calls(
    ground: Ground, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = trials.kill_at_calls(ground, verb, _sample(ground, verb, CALLS, 2))
    _tell(report, capsys)
    assert report.stages
    assert not report.failures


@pytest.mark.parametrize("kind", ["EIO", "ENOSPC+", "fsync"])
@pytest.mark.parametrize("verb", trials.VERBS)
def test_a_disk_that_is_full_or_fails(
    ground: Ground, verb: str, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = trials.BY_NAME[kind]
    report = trials.fail(ground, verb, failing, _sample(ground, verb, failing.calls, 1))
    _tell(report, capsys)
    assert report.stages
    assert not report.failures


WRITER = """
import os, sys
with open(sys.argv[1], "wb") as file:
    file.write(b"x" * 43)
    file.flush()
    os.fsync(file.fileno())
"""


def test_a_file_whose_fsync_failed_is_hurt(tmp_path: Path) -> None:
    """The shim does what a disk may do, so that a writer which names such a file all the same is found."""
    shim = compile_shim(tmp_path)
    file = tmp_path / "disk" / "file"
    file.parent.mkdir()
    told = faults(file.parent, at=1, error=errno.EIO, calls="fsync")
    done = subprocess.run(
        [sys.executable, "-c", WRITER, file],
        env={**os.environ, "LD_PRELOAD": str(shim), **told},
        capture_output=True,
        text=True,
    )
    assert "Input/output error" in done.stderr
    assert 0 < file.stat().st_size < 43


def test_a_prune_that_frees_nothing_is_found(ground: Ground) -> None:
    play = trials.Play(ground, "prune")
    needed = play.reference()
    trial = play.begin()  # an entry has left, and nothing was pruned
    left = sum(trial.names().values())
    with pytest.raises(AssertionError, match="vml prune leaves"):
        Sizes(needed.ours + left, needed.restics).require_as_small_as(needed)
    with pytest.raises(AssertionError, match="vml prune beside restic's leaves"):
        Sizes(needed.ours + left, needed.restics).require_as_small_as(
            Sizes(needed.ours + left, needed.restics)
        )


def test_all_is_on_the_disk_before_the_snapshot_names_it(ground: Ground) -> None:
    """fsync of the file, rename, fsync of its folder: for each object, and all before the snapshot's rename."""
    synced: set[str] = set()
    named: dict[str, Path] = {}
    unsynced_folders: set[str] = set()
    for line in trials.calls_of(ground, "snapshot"):
        call, path = line.split(" ", 1)
        kind = Path(path).relative_to(ground.trial / "kept" / "logbook").parts[0]
        if kind == "locks":
            continue  # after a power cut nobody holds one
        if call == "fsync":
            synced.add(path)
            unsynced_folders.discard(path)
        elif call == "mkdir":
            unsynced_folders.add(str(Path(path).parent))
        elif call == "rename":
            if kind == "snapshots":
                assert not unsynced_folders, (
                    "the snapshot is named before the folders of what it needs are synced"
                )
            named[path] = Path(path)
            unsynced_folders.add(str(Path(path).parent))
        elif call == "write":
            synced.discard(path)
    assert {Path(path).relative_to(ground.trial / "kept" / "logbook").parts[0] for path in named} == {
        "data",
        "index",
        "snapshots",
    }
    assert not unsynced_folders
    assert len([path for path in synced if "/tmp/" in path]) >= len(named), "a file was named without fsync"


def _sample(ground: Ground, verb: str, calls: str, samples: int) -> trials.Share:
    return trials.Share(every=max(1, trials.count_of(ground, verb, calls) // samples))


def _tell(report: trials.Report, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  {report}")
