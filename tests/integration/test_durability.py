"""A sample of the accidents that ``make soak`` counts in full: kills, full and failing disks; counts are printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from durability import trials
from durability.ground import Ground
from durability.places import Folder
from durability.victim import compile_shim, runner


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("durability")
    with runner(folder / "run", compile_shim(folder)) as vml:
        yield Ground(folder / "ground", Folder(), vml)


@pytest.mark.parametrize("verb", ["snapshot", "prune"])
def test_killed_at_any_moment(ground: Ground, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = trials.kill(ground, verb, count=2, seed=20)
    _tell(report, capsys)
    assert len(report.stages) == 2


@pytest.mark.parametrize("verb", trials.VERBS)
def test_killed_between_two_writing_calls(
    ground: Ground, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = trials.kill_at_calls(ground, verb, every=_stride(ground, verb, 2))
    _tell(report, capsys)
    assert report.stages


@pytest.mark.parametrize("verb", trials.VERBS)
def test_a_disk_that_is_full_or_fails(ground: Ground, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (("EIO", False), ("ENOSPC", True))
    for report in trials.fail(ground, verb, _stride(ground, verb, 1), kinds):
        _tell(report, capsys)
        assert report.stages


def test_all_is_on_the_disk_before_the_snapshot_names_it(ground: Ground) -> None:
    """fsync of the file, rename, fsync of its folder: for each object, and all before the snapshot's rename."""
    synced: set[str] = set()
    named: dict[str, Path] = {}
    unsynced_folders: set[str] = set()
    for line in trials.calls_of(ground, "snapshot"):
        call, path = line.split(" ", 1)
        kind = Path(path).relative_to(ground.trial / "logbook").parts[0]
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
    assert {Path(path).relative_to(ground.trial / "logbook").parts[0] for path in named} == {
        "data",
        "index",
        "snapshots",
    }
    assert not unsynced_folders
    assert len([path for path in synced if "/tmp/" in path]) >= len(named), "a file was named without fsync"


def _stride(ground: Ground, verb: str, samples: int) -> int:
    return max(1, len(trials.calls_of(ground, verb)) // samples)


def _tell(report: trials.Report, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  {report}")
