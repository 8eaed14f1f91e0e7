"""Damage: each kind of object flipped, cut, emptied or gone is named with who needs it, and the rest is given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from damage_scene import (
    HOW,
    KINDS,
    PASSWORD,
    Scene,
    content,
    entries_in,
    files_of,
    hurt,
    make_scene,
    named,
)

from vml_jupyter.errors import LogbookDamaged, LogbookMissing, VmlError
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.upkeep import unlock
from vml_jupyter.repository import Report, Repository


@pytest.fixture
def scene(settings: Settings, tmp_path: Path) -> Scene:
    return make_scene(settings, tmp_path)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_named_and_the_rest_is_given_back(
    scene: Scene, tmp_path: Path, kind: str, how: str
) -> None:
    assert scene.check().findings == ()
    path = scene.object(kind)
    hurt(path, how, kind)
    report = scene.check()
    if (kind, how) in (("keys", "gone"), ("locks", "gone"), ("snapshots", "gone")):
        assert report.clean, "what was removed whole is not known to have been there"
    elif (kind, how) == ("locks", "empty"):
        assert report.clean, "restic passes it over"
        assert named(report, path)
    elif (kind, how) == ("index", "gone"):
        assert not report.clean
        assert {finding.kind for finding in report.findings} == {"pack-not-indexed"}
    else:
        assert not report.clean
        assert named(report, path), report.findings
    lost = lost_files(kind, how)
    needing = {scene.first} if lost else set()
    assert entries_in(report) - {""} == needing
    assert scene.restore(scene.second, tmp_path / "second") == content(scene.areas[scene.second])
    if kind == "snapshots":
        with pytest.raises(VmlError):
            scene.restore(scene.first, tmp_path / "first")
        return
    check_first(scene, tmp_path / "first", lost, report)


def lost_files(kind: str, how: str) -> bool:
    """Tell whether content of the first entry is lost: headers and index can be done without."""
    return kind in ("data", "tree") or (kind == "header" and how in ("cut", "empty", "gone"))


def check_first(scene: Scene, target: Path, lost: bool, report: Report) -> None:
    """Every file that the report does not name as lost is given back."""
    whole = content(scene.areas[scene.first])
    if not lost:
        assert scene.restore(scene.first, target) == whole
        return
    files = {file for finding in report.findings for affected in finding.affected for file in affected.files}
    assert files
    with pytest.raises(LogbookDamaged):
        scene.restore(scene.first, target)
    gone = {name for name in whole if any(name == file or name.startswith(file) for file in files)}
    if not {"(all files)", "(the entry's record)"} & files:
        assert content(target) == {name: raw for name, raw in whole.items() if name not in gone}


def test_one_file_of_many_is_lost_and_the_others_are_written(scene: Scene, tmp_path: Path) -> None:
    """Every byte of a data pack in turn, in steps: what is not named is given back."""
    path = scene.packs[scene.first]["data"]
    raw = path.read_bytes()
    seen: set[tuple[str, ...]] = set()
    for position in range(0, len(raw), 97):
        changed = bytearray(raw)
        changed[position] ^= 1
        path.write_bytes(changed)
        report = scene.check()
        assert not report.clean
        check_first(scene, tmp_path / f"first{position}", bool(entries_in(report)), report)
        seen.update(affected.files for finding in report.findings for affected in finding.affected)
    assert seen >= {("a",), ("b",), ("sub/c",)}


@pytest.mark.parametrize("kind", ["data", "tree"])
def test_a_cut_pack_is_found_without_reading_all(scene: Scene, kind: str) -> None:
    hurt(scene.object(kind), "cut", kind)
    report = scene.check(read_data=False)
    assert entries_in(report) == {scene.first}
    assert named(report, scene.object(kind))


def test_every_key_is_hurt(scene: Scene) -> None:
    for path in (scene.folder / "keys").iterdir():
        hurt(path, "flipped", "keys")
    report = scene.check()
    assert not report.clean
    assert any(path.name in report.findings[0].message for path in (scene.folder / "keys").iterdir())


def test_nothing_is_written_where_it_is_not_known_how(scene: Scene, tmp_path: Path) -> None:
    unlock(scene.settings, remove_all=True)
    for kind in ("config", "index"):
        raw = scene.object(kind).read_bytes()
        hurt(scene.object(kind), "flipped", kind)
        before = files_of(scene.folder)
        repository = Repository.open(str(scene.folder), PASSWORD)
        with pytest.raises(LogbookDamaged) as caught, repository.lock():
            repository.save_blob(b"new")
        with pytest.raises(LogbookDamaged):
            repository.prune()
        assert caught.value.hint
        assert files_of(scene.folder) == before
        repository.close()
        scene.object(kind).write_bytes(raw)


def test_no_config_and_no_snapshot_is_no_logbook(tmp_path: Path) -> None:
    Repository.create(str(tmp_path / "x"), PASSWORD, scrypt_n=1024).close()
    (tmp_path / "x" / "config").unlink()
    with pytest.raises(LogbookMissing):
        Repository.open(str(tmp_path / "x"), PASSWORD)


def test_the_command_tells_people_and_programs(scene: Scene, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "vml_jupyter.cli.main",
            "check",
            "--logbook",
            str(scene.folder),
            *words,
        ]
        (tmp_path / "pw").write_text(PASSWORD)
        return subprocess.run(
            [*command, "--password-file", str(tmp_path / "pw")], capture_output=True, text=True
        )

    done = run("--json")
    assert (done.returncode, msgspec.json.decode(done.stdout)["clean"]) == (0, True)
    assert "Nothing is damaged" in run().stdout
    hurt(scene.object("data"), "cut", "data")
    done = run("--json")
    told = msgspec.json.decode(done.stdout)
    assert (done.returncode, told["clean"]) == (1, False)
    assert told["findings"][0]["affected"][0]["entry"] == scene.first
    done = run("--read-data")
    assert done.returncode == 1
    assert f"entry {scene.first}: " in done.stdout
    assert scene.object("data").name in done.stdout
