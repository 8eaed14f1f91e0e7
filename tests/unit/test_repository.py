"""A repository: what is saved comes back, what is damaged is noticed, what fails leaves no lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from restic_judge import Restic

from vml_jupyter.errors import (
    LogbookDamaged,
    LogbookMissing,
    NotFound,
    StoreUnreachable,
    WouldOverwrite,
    WrongPassword,
)
from vml_jupyter.repository import (
    SCRYPT_N_GENERATED,
    Node,
    Repository,
    Snapshot,
    generate_password,
    memory_store,
    opening,
)
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.store import LocalFolder, Store

PASSWORD = generate_password()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalFolder(tmp_path / "repo") if request.param == "folder" else memory_store()


@pytest.fixture
def repository(store: Store) -> Iterator[Repository]:
    repository = Repository.create(store, PASSWORD, scrypt_n=SCRYPT_N_GENERATED)
    yield repository
    repository.close()


def save_something(repository: Repository, content: bytes = b"content" * 100) -> str:
    """Save a snapshot with one file in it and return the snapshot's id."""
    with repository.lock():
        blob, _ = repository.save_blob(content)
        tree = repository.save_tree([Node(name="file", type="file", content=[blob], size=len(content))])
        return repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/area"]))


def read_something(repository: Repository, snapshot: int = -1) -> bytes:
    (node,) = repository.tree(repository.snapshots()[snapshot].tree)
    return b"".join(map(repository.blob, node.content or ()))


def test_what_was_saved_is_there_when_opened_again(repository: Repository, store: Store) -> None:
    id = save_something(repository)
    again = Repository.open(store, PASSWORD)
    (snapshot,) = again.snapshots()
    assert snapshot == Snapshot(time="2026-01-01T00:00:00Z", tree=snapshot.tree, paths=["/area"], id=id)
    assert read_something(again) == b"content" * 100
    assert again.id == repository.id
    again.close()


@pytest.mark.parametrize("content", [b"", b"x", bytes(1000), os.urandom(100_000), b"ab" * 3_000_000])
def test_blobs_of_all_kinds(repository: Repository, content: bytes) -> None:
    id, new_bytes = repository.save_blob(content)
    repository.flush()
    assert repository.blob(id) == content
    assert repository.blob_size(id) == len(content)
    assert 0 < new_bytes <= len(content) + 64


def test_a_blob_is_stored_once(repository: Repository, store: Store) -> None:
    id, first = repository.save_blob(b"the same")
    assert first
    assert repository.save_blob(b"the same") == (id, 0)
    repository.flush()
    assert repository.save_blob(b"the same") == (id, 0)
    repository.flush()
    assert len(list(store.list("data"))) == 1
    assert repository.save_blobs([b"the same", b"new", b"new"])[2][1] == 0


def test_data_and_trees_of_the_same_bytes_are_two_blobs(repository: Repository) -> None:
    tree = repository.save_tree([Node(name="x", type="fifo")])
    raw = b'{"nodes":[{"name":"x","type":"fifo"}]}\n'
    assert repository.save_blob(raw)[0] == tree
    repository.flush()
    assert repository.blob(tree) == raw
    assert repository.tree(tree) == (Node(name="x", type="fifo"),)


def test_many_packs(repository: Repository, store: Store) -> None:
    blobs = [os.urandom(3 << 20) for _ in range(14)]
    ids = [repository.save_blob(blob)[0] for blob in blobs]
    repository.flush()
    assert len(list(store.list("data"))) == 3
    assert [repository.blob(id) for id in ids] == blobs


def test_many_blobs_at_once(repository: Repository) -> None:
    blobs = [b"", b"x", b"y" * 500, os.urandom(900), os.urandom(6 << 20), b"z" * 70_000]
    ids = [id for id, _ in repository.save_blobs(blobs)]
    repository.flush()
    assert list(map(bytes, repository.blobs([*ids, ids[2]]))) == [*blobs, blobs[2]]
    assert repository.blobs([]) == []
    with pytest.raises(LogbookDamaged):
        repository.blobs([ids[0], "0" * 64])


def test_one_damaged_blob_of_many_is_named(tmp_path: Path) -> None:
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    ids = [id for id, _ in repository.save_blobs([os.urandom(1000) for _ in range(3)])]
    repository.flush()
    (pack,) = (path for path in (tmp_path / "data").rglob("*") if path.is_file())
    raw = bytearray(pack.read_bytes())
    raw[1500] ^= 1
    pack.write_bytes(raw)
    with pytest.raises(LogbookDamaged) as caught:
        repository.blobs(ids)
    assert ids[1][:12] in caught.value.message
    assert len(repository.blobs([ids[0], ids[2]])) == 2
    repository.close()


def test_a_snapshot_can_be_deleted_once(repository: Repository) -> None:
    id = save_something(repository)
    repository.delete_snapshot(id)
    assert repository.snapshots() == []
    with pytest.raises(NotFound):
        repository.delete_snapshot(id)


def test_create_refuses_what_is_there(repository: Repository, store: Store) -> None:
    with pytest.raises(WouldOverwrite):
        Repository.create(store, "other")


def test_a_wrong_password(repository: Repository, store: Store) -> None:
    with pytest.raises(WrongPassword) as caught:
        Repository.open(store, "wrong")
    assert caught.value.hint


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(LogbookMissing):
        Repository.open(str(tmp_path / "nowhere"), PASSWORD)


def test_several_passwords(tmp_path: Path) -> None:
    store = LocalFolder(tmp_path)
    key, _ = opening.create(store, "first", 1024)
    opening.add_key(store, key, "zweites Passwort µ", 2048)
    for password in ("first", "zweites Passwort µ"):
        Repository.open(store, password).close()


class Failing:
    """A store that breaks down after a number of puts, as a process that is killed or a disk that fills."""

    def __init__(self, inner: Store, puts: int) -> None:
        self._inner = inner
        self.puts = puts
        self.label = inner.label
        self.is_remote = inner.is_remote
        self.get, self.get_range = inner.get, inner.get_range
        self.list, self.times, self.delete = inner.list, inner.times, inner.delete

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        if self.puts <= 0:
            raise StoreUnreachable("the store is broken")
        self.puts -= 1
        self._inner.put(name, pieces)


@pytest.mark.parametrize("puts", range(6))
def test_a_breakdown_at_any_point_leaves_no_lie(tmp_path: Path, puts: int) -> None:
    """Packs, index, snapshot are put in this order; the first one is the lock."""
    Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024).close()
    store = Failing(LocalFolder(tmp_path), puts)
    repository = Repository.open(store, PASSWORD)
    if puts < 5:
        with pytest.raises(StoreUnreachable):
            save_something(repository)
    else:
        save_something(repository)
    assert len(repository.snapshots()) == (puts == 5)
    Restic(tmp_path, PASSWORD).check()
    store.puts = 1000
    save_something(repository)
    assert read_something(repository) == b"content" * 100
    repository.close()
    Restic(tmp_path, PASSWORD).check()


def test_the_index_of_others_is_seen_with_the_next_lock(store: Store) -> None:
    ours = Repository.create(store, PASSWORD, scrypt_n=1024)
    theirs = Repository.open(store, PASSWORD)
    save_something(ours)
    save_something(theirs, b"theirs")
    with ours.lock():
        assert ours.save_blob(b"theirs")[1] == 0
    assert read_something(ours) == b"theirs" or read_something(ours, 0) == b"theirs"
    ours.close()
    theirs.close()


def test_the_index_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    save_something(ours)
    ours.close()
    read: list[str] = []
    load = Documents.load_index
    monkeypatch.setattr(Documents, "load_index", lambda self, id: (read.append(id), load(self, id))[1])
    again = Repository.open(str(tmp_path), PASSWORD)
    with again.lock():
        (name,) = again.index_names()
        again.save_blob(os.urandom(32), novel=True)
        assert read == []
        assert again.save_blob(b"content" * 100)[1] == 0
    assert read == [name]
    again.flush()
    assert len(again.index_names()) == 2
    assert read_something(again) == b"content" * 100
    assert read == [name], "what this program wrote itself need not be read"
    again.close()


def test_what_is_given_back_is_saved_by_the_next(repository: Repository) -> None:
    id = hashlib.sha256(b"blob").hexdigest()
    assert repository.claim([id, id]) == [True, False]
    assert repository.save_blob(b"blob")[1] == 0
    repository.disclaim([id])
    assert repository.save_blob(b"blob")[1] > 0
    repository.flush()
    assert repository.claim([id]) == [False]
    assert repository.blob(id) == b"blob"
