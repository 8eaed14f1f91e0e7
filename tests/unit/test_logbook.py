"""The logbook: entries are added, found, edited and forgotten, and restic's own snapshots are left alone."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic

from vml_jupyter.errors import Ambiguous, LogbookDamaged, LogbookMissing, NotFound, WrongPassword
from vml_jupyter.logbook import Logbook, document, open_or_create_default
from vml_jupyter.model import Entry, Environment, Release, new_entry_id
from vml_jupyter.repository import Snapshot
from vml_jupyter.snapshot import lay, take

PASSWORD = "password"


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    area.mkdir()
    (area / "notebook.ipynb").write_text("{}")
    return area


@pytest.fixture
def logbook(tmp_path: Path) -> Logbook:
    return Logbook.create(str(tmp_path / "logbook"), PASSWORD, scrypt_n=1024)


def add(logbook: Logbook, area: Path, **fields: object) -> Entry:
    with logbook.repository.lock():
        taken = take(logbook.repository, area)
        record = {
            "id": new_entry_id(),
            "time": "2026-02-03T04:05:06Z",
            "title": "A title",
            "area": str(area),
            "environment": Environment(release=Release(system="4.5.0.1"), packages={"numpy": "2.0"}),
            "files": taken.files,
            "bytes": taken.bytes,
            **fields,
        }
        return logbook.add(msgspec.convert(record, Entry), taken.tree)


def as_listed(entry: Entry) -> Entry:
    """An entry as a list has it: without the packages of its environment."""
    environment = msgspec.structs.replace(entry.environment, packages={})
    return msgspec.structs.replace(entry, environment=environment)


def test_an_entry_comes_back_whole(logbook: Logbook, area: Path, tmp_path: Path) -> None:
    entry = add(logbook, area, note="µ > 0\n\nsecond line", notebook="notebook.ipynb", tags=("one", "two"))
    assert entry.snapshot
    assert entry.tree
    again = Logbook.open(str(tmp_path / "logbook"), PASSWORD)
    assert again.entries() == [as_listed(entry)]
    assert again.find(entry.id) == again.find(entry.id[:5]) == again.find(entry.snapshot[:8]) == entry
    lay(again.repository, again.area_tree(entry), tmp_path / "laid")
    assert (tmp_path / "laid" / "notebook.ipynb").read_text() == "{}"


def test_newest_first(logbook: Logbook, area: Path) -> None:
    for day in (2, 3, 1):
        add(logbook, area, time=f"2026-01-0{day}T00:00:00Z", title=str(day))
    assert [entry.title for entry in logbook.entries()] == ["3", "2", "1"]


def test_what_is_not_there(logbook: Logbook) -> None:
    assert logbook.entries() == []
    for prefix in ("abcdef", "a", ""):
        with pytest.raises(NotFound):
            logbook.find(prefix)


def test_a_prefix_of_several(logbook: Logbook, area: Path) -> None:
    add(logbook, area, id="aab000000000")
    add(logbook, area, id="aac000000000")
    with pytest.raises(Ambiguous) as caught:
        logbook.find("aa")
    assert "aab000000000" in caught.value.message
    assert logbook.find("aab").id == "aab000000000"


def test_an_entry_keeps_its_id_when_edited(logbook: Logbook, area: Path) -> None:
    entry = add(logbook, area)
    for title in ("second", "third"):
        edited = logbook.edit(msgspec.structs.replace(entry, title=title, note="new"))
        assert (edited.id, edited.tree, edited.title) == (entry.id, entry.tree, title)
        assert logbook.entries() == [as_listed(edited)]
    (snapshot,) = logbook.repository.snapshots()
    assert snapshot.original == entry.snapshot
    with pytest.raises(NotFound):
        logbook.edit(msgspec.structs.replace(entry, id="000000000000"))


def test_a_crash_while_editing_shows_the_newer_one(
    logbook: Logbook, area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = add(logbook, area)
    second = logbook.edit(msgspec.structs.replace(entry, title="second"))
    monkeypatch.setattr(logbook.repository, "delete_snapshot", lambda id: None)
    third = logbook.edit(msgspec.structs.replace(second, title="third"))
    monkeypatch.undo()
    assert len(logbook.repository.snapshots()) == 2
    assert logbook.entries() == [as_listed(third)]
    assert logbook.find(entry.id) == third
    logbook.forget(entry.id)
    assert logbook.entries() == []
    logbook.remove(entry.id)
    assert logbook.repository.snapshots() == []


def test_forgetting_removes_one_entry(logbook: Logbook, area: Path) -> None:
    kept, forgotten = add(logbook, area), add(logbook, area)
    logbook.forget(forgotten.id)
    assert logbook.entries() == [as_listed(kept)]
    with pytest.raises(NotFound):
        logbook.forget(forgotten.id)


def test_a_parent_is_named_in_the_snapshot_too(logbook: Logbook, area: Path) -> None:
    parent = add(logbook, area)
    child = add(logbook, area, parent=parent.id)
    snapshots = {snapshot.id: snapshot for snapshot in logbook.repository.snapshots()}
    assert snapshots[child.snapshot].parent == parent.snapshot
    orphan = add(logbook, area, parent="gone00000000")
    assert logbook.find(orphan.id).parent == "gone00000000"


def test_what_was_pruned_between_take_and_add(logbook: Logbook, area: Path) -> None:
    entry = Entry(id=new_entry_id(), time="2026-01-01T00:00:00Z", title="x", environment=Environment())
    with pytest.raises(LogbookDamaged):
        logbook.add(entry, "0" * 64)


def test_a_snapshot_that_only_says_it_is_an_entry(logbook: Logbook) -> None:
    with logbook.repository.lock():
        tree = logbook.repository.save_tree([])
        logbook.repository.save_snapshot(
            Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/x"], tags=["vml", "entry:zz"])
        )
    listed = logbook.listed()
    assert listed.entries == []
    (damaged,) = listed.damaged
    assert "restic restore" in damaged.hint
    with pytest.raises(LogbookDamaged):
        logbook.find(logbook.repository.snapshots()[0].id)


def test_a_record_of_a_later_version_can_be_read() -> None:
    record = b'{"id":"x","time":"2026-01-01T00:00:00Z","title":"T","environment":{"new":1},"newer":{"a":[]}}'
    assert msgspec.json.decode(record, type=Entry).title == "T"


def test_restic_prints_the_entry_and_keeps_its_own(logbook: Logbook, area: Path, tmp_path: Path) -> None:
    restic = Restic(tmp_path / "logbook", PASSWORD)
    restic.run("backup", area)
    entry = add(logbook, area, title="Seen by restic")
    assert len(logbook.repository.snapshots()) == 2
    assert logbook.entries() == [as_listed(entry)]
    record = restic.run("dump", entry.snapshot, "/entry.json")
    assert record.encode() == document.encode_record(entry)
    assert (
        msgspec.structs.replace(
            msgspec.json.decode(record, type=Entry), snapshot=entry.snapshot, tree=entry.tree
        )
        == entry
    )
    (seen,) = restic.json("snapshots", "--tag", "vml")
    assert (seen["tags"], seen["paths"]) == (["vml", f"entry:{entry.id}"], [str(area)])
    assert restic.run("dump", entry.snapshot, "/area/notebook.ipynb") == "{}"
    restic.run("tag", "--add", "mine", entry.snapshot)
    assert logbook.find(entry.id).title == "Seen by restic"
    logbook.forget(entry.id)
    restic.run("prune")
    assert logbook.unforget(entry.id).title == "Seen by restic"
    assert "mine" in restic.json("snapshots", "--tag", "vml")[0]["tags"], "the tags of others stay"
    logbook.forget(entry.id)
    logbook.empty_bin()
    assert len(restic.json("snapshots")) == 1
    restic.run("prune")
    restic.check()


class TestDefault:
    """The logbook that a user has without asking for one."""

    def test_it_is_made_once(self, tmp_path: Path, area: Path) -> None:
        folder, secret = tmp_path / "data" / "logbook", tmp_path / "config" / "password"
        first = open_or_create_default(folder, secret)
        entry = add(first, area)
        assert open_or_create_default(folder, secret).entries() == [as_listed(entry)]
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert len(secret.read_text().strip()) == 43

    def test_a_lost_password_is_not_replaced(self, tmp_path: Path) -> None:
        folder, secret = tmp_path / "data", tmp_path / "config" / "password"
        open_or_create_default(folder, secret).close()
        secret.unlink()
        with pytest.raises(WrongPassword):
            open_or_create_default(folder, secret)
        assert not secret.exists()

    def test_the_password_is_on_the_disk_before_there_is_anything_to_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder, secret = tmp_path / "data", tmp_path / "config" / "passwords" / "one"
        synced: list[Path] = []
        fsync = os.fsync

        def note(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", note)
        open_or_create_default(folder, secret).close()
        password, its_name, *rest = [path for path in synced if path != secret.parent.parent]
        assert password.parent == secret.parent
        assert its_name == secret.parent
        assert folder / "keys" in rest

    def test_a_disk_that_is_not_mounted_is_missed(self, tmp_path: Path, area: Path) -> None:
        """A new logbook below the mount point would be hidden as soon as the disk is there again."""
        folder, secret = tmp_path / "disk" / "logbook", tmp_path / "config" / "password"
        first = open_or_create_default(folder, secret)
        entry = add(first, area)
        (tmp_path / "disk").rename(tmp_path / "elsewhere")
        with pytest.raises(LogbookMissing) as caught:
            open_or_create_default(folder, secret)
        assert not folder.exists()
        (tmp_path / "elsewhere").rename(tmp_path / "disk")
        assert open_or_create_default(folder, secret).entries() == [as_listed(entry)]
        (tmp_path / "disk").rename(tmp_path / "elsewhere")
        Path(caught.value.hint.rsplit(" ", 1)[-1]).unlink()
        assert open_or_create_default(folder, secret).entries() == []

    def test_two_that_start_together_make_one(self, tmp_path: Path) -> None:
        folder, secret = tmp_path / "data", tmp_path / "config" / "password"
        context = multiprocessing.get_context("spawn")
        with context.Pool(3) as pool:
            ids = pool.starmap(_identity, [(folder, secret)] * 3)
        assert len(set(ids)) == 1
        assert len(list((folder / "keys").iterdir())) == 1


def _identity(folder: Path, secret: Path) -> str:
    return open_or_create_default(folder, secret).repository.id
