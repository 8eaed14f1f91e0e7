"""The file config: made once whoever is first, of an id that harms nobody, and written anew where it is lost."""

from __future__ import annotations

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic

from vml_jupyter.errors import LogbookDamaged, LogbookMissing, WouldOverwrite, WrongPassword
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.upkeep import check
from vml_jupyter.repository import Node, Repository, Snapshot, memory_store, opening
from vml_jupyter.repository.gotime import now
from vml_jupyter.repository.records import Config
from vml_jupyter.repository.store import LocalFolder, Store

PASSWORD = "password"
_N = 1024


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalFolder(tmp_path / "repo") if request.param == "folder" else memory_store()


def save(repository: Repository) -> str:
    """Save one snapshot of one file and return its id."""
    with repository.lock():
        blob, _ = repository.save_blob(secrets.token_bytes(1000))
        tree = repository.save_tree([Node(name="f", type="file", size=1000, content=[blob])])
        return repository.save_snapshot(Snapshot(time=now(), tree=tree))


def readable(store: Store) -> int:
    """Open anew, read all snapshots through, and return how many there are."""
    repository = Repository.open(store, PASSWORD)
    snapshots = repository.snapshots()
    for snapshot in snapshots:
        for node in repository.tree(snapshot.tree):
            assert [len(repository.blob(id)) for id in node.content or ()] == [1000]
    repository.close()
    return len(snapshots)


@pytest.mark.parametrize("id", ["../../../../victim", "/victim", "", "A" * 64, "0" * 64 + "\n", "0" * 63])
def test_an_id_becomes_a_files_name_so_it_must_be_one(store: Store, id: str) -> None:
    key, config = opening.create(store, PASSWORD, _N)
    hostile = Config(version=2, id=id, chunker_polynomial=config.chunker_polynomial)
    store.put("config", [opening.seal_config(key, hostile)])
    repository = Repository.open(store, PASSWORD)
    assert repository.damage
    assert len(repository.id) == 64
    repository.close()


def test_of_those_who_make_one_at_once_one_does(store: Store) -> None:
    """And whoever opens it later with the same password gets the key that the config and all else is sealed with."""
    begin = threading.Barrier(6, timeout=10)

    def make() -> bool:
        begin.wait()
        try:
            opening.create(store, PASSWORD, _N)
        except WouldOverwrite:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        made = [future.result() for future in [pool.submit(make) for _ in range(6)]]
    assert sum(made) == 1
    assert len(list(store.list("keys"))) == 1
    repository = Repository.open(store, PASSWORD)
    save(repository)
    repository.close()
    assert readable(store) == 1


def test_what_an_interruption_left_is_used(store: Store) -> None:
    opening.create(store, PASSWORD, _N)
    store.delete("config")
    with pytest.raises(LogbookMissing):
        Repository.open(store, PASSWORD)
    repository = Repository.create(store, PASSWORD, scrypt_n=_N)
    save(repository)
    repository.close()
    assert len(list(store.list("keys"))) == 1
    assert readable(store) == 1


def test_a_key_that_opens_nothing_is_passed_over(store: Store) -> None:
    """As two left it behind who made a repository at once, and one of them was killed."""
    repository = Repository.create(store, PASSWORD, scrypt_n=_N)
    save(repository)
    repository.close()
    other = memory_store()
    for _ in range(4):
        key, _ = opening.create(other, PASSWORD, 512)  # asks for less, so it is tried before
        store.put(f"keys/{key.file}", [other.get(f"keys/{key.file}")])
        other.delete("config")
        other.delete(f"keys/{key.file}")
    assert readable(store) == 1


def test_a_lost_config_does_not_make_room_for_another_logbook(store: Store) -> None:
    repository = Repository.create(store, PASSWORD, scrypt_n=_N)
    save(repository)
    repository.close()
    store.delete("config")
    with pytest.raises(WouldOverwrite, match="--repair-config"):
        Repository.create(store, PASSWORD, scrypt_n=_N)
    with pytest.raises(WrongPassword):
        Repository.open(store, "another")


@pytest.mark.parametrize("how", ["lost", "empty", "altered"])
def test_a_config_is_written_anew_when_told(store: Store, how: str) -> None:
    repository = Repository.create(store, PASSWORD, scrypt_n=_N)
    save(repository)
    repository.close()
    if how == "lost":
        store.delete("config")
    else:
        store.put("config", [b"" if how == "empty" else bytes(200)])

    hurt = Repository.open(store, PASSWORD)
    with pytest.raises(LogbookDamaged, match="--repair-config"):
        save(hurt)
    assert hurt.upkeep.repair_config()
    hurt.close()

    whole = Repository.open(store, PASSWORD)
    assert not whole.damage
    assert not whole.upkeep.repair_config()
    save(whole)
    assert whole.upkeep.check(read_data=True).clean
    whole.close()
    assert readable(store) == 2


def test_no_config_is_written_where_nothing_shows_that_the_key_fits(store: Store) -> None:
    repository = Repository.create(store, PASSWORD, scrypt_n=_N)
    id = save(repository)
    repository.close()
    store.delete("config")
    for name in (f"snapshots/{id}", *(f"index/{index}" for index in list(store.list("index")))):
        store.put(name, [bytes(200)])
    hurt = Repository.open(store, PASSWORD)
    with pytest.raises(LogbookDamaged):
        hurt.upkeep.repair_config()
    with pytest.raises(FileNotFoundError):
        store.get("config")
    hurt.close()


@pytest.mark.parametrize("version", ["1", "2"])
def test_restic_takes_what_was_written_anew(tmp_path: Path, settings: Settings, version: str) -> None:
    """In the version that the repository has, and the command says what was lost with the old one."""
    folder = tmp_path / "repo"
    restic = Restic(folder, PASSWORD)
    restic.init(version)
    (tmp_path / "area").mkdir()
    (tmp_path / "area" / "file").write_text("content")
    restic.run("backup", tmp_path / "area")
    (folder / "config").unlink()
    settings = settings.using(logbook=str(folder), logbook_password=PASSWORD)
    [finding] = check(settings).findings
    assert "--repair-config" in finding.message

    notes = Notes()
    assert check(settings, repair_config=True, progress=notes).clean
    assert "second time" in notes.said[0]
    assert restic.json("cat", "config")["version"] == int(version)
    restic.run("backup", tmp_path / "area")
    restic.check()
    assert len(restic.json("snapshots")) == 2


class Notes:
    """A Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def stage(self, name: str, title: str) -> None: ...

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None: ...

    def note(self, text: str) -> None:
        self.said.append(text)


def test_the_config_is_json_as_restic_writes_it(store: Store) -> None:
    key, config = opening.create(store, PASSWORD, _N)
    assert msgspec.json.decode(key.open(store.get("config"))) == {
        "version": 2,
        "id": config.id,
        "chunker_polynomial": config.chunker_polynomial,
    }
