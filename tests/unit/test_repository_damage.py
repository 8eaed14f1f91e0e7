"""Damage: each kind of object flipped, cut, emptied or gone is named with who needs it, and the rest is given back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic, needs_restic

from vml_jupyter.errors import LogbookDamaged, LogbookMissing, VmlError
from vml_jupyter.flows.restore import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.upkeep import check, unlock
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Environment, new_entry_id
from vml_jupyter.repository import Finding, Report, Repository
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.gotime import format_time
from vml_jupyter.repository.header import read_header
from vml_jupyter.repository.records import LockRecord
from vml_jupyter.snapshot import take

PASSWORD, OTHER = "password", "other"
KINDS = ["config", "keys", "index", "snapshots", "locks", "data", "tree", "header"]
HOW = ["flipped", "cut", "empty", "gone"]


@dataclass
class Scene:
    """A logbook with two entries that share nothing: each area has three files, in packs of its own."""

    settings: Settings
    folder: Path
    areas: dict[str, Path]
    packs: dict[str, dict[str, Path]]
    index: dict[str, Path]
    snapshots: dict[str, Path]

    @property
    def first(self) -> str:
        return next(iter(self.areas))

    @property
    def second(self) -> str:
        return list(self.areas)[1]

    def object(self, kind: str) -> Path:
        """Return the object of this kind that belongs to the first entry."""
        if kind in ("data", "tree", "header"):
            return self.packs[self.first]["data" if kind == "header" else kind]
        if kind == "index":
            return self.index[self.first]
        if kind == "snapshots":
            return self.snapshots[self.first]
        if kind == "config":
            return self.folder / "config"
        return max((self.folder / kind).iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def check(self, read_data: bool = True) -> Report:
        return check(self.settings, read_data=read_data)

    def restore(self, entry: str, target: Path) -> dict[str, bytes]:
        restore_files(self.settings, entry, target)
        return content(target)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def scene(settings: Settings, tmp_path: Path) -> Scene:
    folder = tmp_path / "logbook"
    logbook = Logbook.create(str(folder), PASSWORD, scrypt_n=1024)
    areas, packs, index, snapshots = {}, {}, {}, {}
    for name in ("one", "two"):
        before = files_of(folder)
        area = tmp_path / name
        (area / "sub").mkdir(parents=True)
        for file in ("a", "b", "sub/c"):
            (area / file).write_bytes(f"{name} {file} ".encode() + bytes(range(256)) * 20)
        entry = add(logbook, area)
        new = files_of(folder) - before
        areas[entry] = area
        packs[entry] = largest_packs(logbook.repository, [path for path in new if path.parts[-3] == "data"])
        index[entry] = max(
            (path for path in new if path.parent.name == "index"), key=lambda path: path.stat().st_size
        )
        (snapshots[entry],) = (path for path in new if path.parent.name == "snapshots")
    logbook.repository.keys.add(OTHER, 1024)
    documents = Documents(
        logbook.repository.upkeep._depot.store,
        logbook.repository.upkeep._depot.key,
        logbook.repository.version,
    )
    lock = LockRecord(time=format_time(10**18 * 4), exclusive=False, hostname="elsewhere", pid=1)
    documents.save("locks", msgspec.json.encode(lock))
    logbook.close()
    settings = settings.using(logbook=str(folder), logbook_password=PASSWORD)
    return Scene(settings, folder, areas, packs, index, snapshots)


def add(logbook: Logbook, area: Path) -> str:
    with logbook.repository.lock():
        taken = take(logbook.repository, area)
        record = Entry(
            id=new_entry_id(), time="2026-01-01T00:00:00Z", title=area.name, environment=Environment()
        )
        return logbook.add(record, taken.tree).id


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def largest_packs(repository: Repository, paths: list[Path]) -> dict[str, Path]:
    """Return the pack of data and the pack of trees that hold the area; its record and root lie in smaller ones."""
    depot = repository.upkeep._depot
    largest: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: path.stat().st_size):
        blobs = read_header(depot.store, depot.key, path.name, path.stat().st_size)
        largest[blobs[0].type] = path
    return largest


def hurt(path: Path, how: str, kind: str) -> None:
    raw = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "flipped":
        raw[-40 if kind == "header" else len(raw) // 3] ^= 0x10
        path.write_bytes(raw)
    else:
        path.write_bytes(b"" if how == "empty" else raw[: len(raw) * 2 // 3])


def named(report: Report, path: Path) -> list[Finding]:
    return [finding for finding in report.findings if path.name in finding.object]


def entries_in(report: Report) -> set[str]:
    return {affected.entry for finding in report.findings for affected in finding.affected}


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
            pass
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


@needs_restic
@pytest.mark.parametrize("how", HOW)
def test_the_index_is_made_anew_from_the_packs(scene: Scene, how: str) -> None:
    unlock(scene.settings, remove_all=True)
    hurt(scene.object("index"), how, "index")
    check(scene.settings, repair_index=True)
    assert scene.check().clean
    Restic(scene.folder, PASSWORD).check()


@pytest.mark.parametrize("how", HOW)
def test_a_snapshot_of_the_same_area_heals_what_was_lost(scene: Scene, how: str) -> None:
    """What is lost is not in the repaired index, so the next snapshot stores it, for older entries too."""
    unlock(scene.settings, remove_all=True)
    hurt(scene.object("data"), how, "data")
    assert entries_in(check(scene.settings, read_data=True, repair_index=True)) == {scene.first}
    logbook = Logbook.open(str(scene.folder), PASSWORD)
    add(logbook, scene.areas[scene.first])
    logbook.close()
    lost = {file for finding in scene.check().findings for one in finding.affected for file in one.files}
    assert lost <= {"(the entry's record)"}, "which no other entry has"


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
