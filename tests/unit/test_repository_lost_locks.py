"""A lock that was removed under whoever relies on it: while their computer slept, by a wrong clock, by mistake."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vml_jupyter.errors import DiskFull, LogbookLocked
from vml_jupyter.repository import Node, Repository, Snapshot, locks, opening
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.gotime import now
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.store import LocalFolder

PASSWORD = "password"


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    store = LocalFolder(tmp_path)
    key, config = opening.create(store, PASSWORD, 1024)
    return Documents(store, key, config.version)


def save_file(repository: Repository) -> str:
    """Save a file and return the tree that holds it."""
    blob, _ = repository.save_blob(os.urandom(1000))
    return repository.save_tree([Node(name="f", type="file", size=1000, content=[blob])])


def is_lost(lock: Locks) -> bool:
    try:
        lock.require_alive()
    except LogbookLocked:
        return True
    return False


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline


def test_a_sleep_counts(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stops while the computer sleeps would not notice that others have come meanwhile."""
    ours, now_s = Locks(documents), locks.now_s
    with ours.hold():
        monkeypatch.setattr(locks, "now_s", lambda: now_s() + 3600)
        with pytest.raises(LogbookLocked):
            ours.require_alive()
    assert abs(now_s() - float(Path("/proc/uptime").read_text().split()[0])) < 5


def test_a_lock_that_somebody_removed_is_missed(documents: Documents) -> None:
    ours = Locks(documents)
    with ours.hold():
        ours.require_held()
        Locks(documents).unlock(remove_all=True)
        ours.require_alive()
        with pytest.raises(LogbookLocked):
            ours.require_held()
        with pytest.raises(LogbookLocked):
            ours.require_alive()
    with ours.hold():
        ours.require_held()


def test_renewing_does_not_hide_that_it_was_removed(documents: Documents) -> None:
    ours = Locks(documents, refresh_s=0.01)
    with ours.hold():
        wait_for(lambda: bool(Locks(documents).unlock(remove_all=True)) and is_lost(ours))
    assert list(documents.names("locks")) == []


def test_no_snapshot_names_what_may_have_been_pruned(tmp_path: Path) -> None:
    """A computer sleeps in the middle of a snapshot; elsewhere its lock is removed, and all is pruned."""
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    other = Repository.open(str(tmp_path), PASSWORD)
    with repository.lock():
        tree = save_file(repository)
        repository.flush()
        other.upkeep.unlock(remove_all=True)
        assert other.prune().packs_removed == 2
        with pytest.raises(LogbookLocked):
            repository.save_snapshot(Snapshot(time=now(), tree=tree))
    other.close()
    assert repository.snapshot_ids() == set()
    repository.close()


def test_a_prune_that_lost_its_lock_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    with repository.lock():
        repository.save_blob(os.urandom(1000))
        repository.flush()
    save, removed = Documents.save, []

    def unlock_when_the_index_is_written(documents: Documents, folder: str, json: bytes) -> str:
        if folder == "index" and not removed:
            removed.append(Locks(documents).unlock(remove_all=True))
        return save(documents, folder, json)

    with repository.lock():
        repository.save_snapshot(Snapshot(time=now(), tree=save_file(repository)))
    packs = sorted((tmp_path / "data").rglob("*"))
    monkeypatch.setattr(Documents, "save", unlock_when_the_index_is_written)
    with pytest.raises(LogbookLocked):
        repository.prune()
    assert removed == [1]
    assert sorted((tmp_path / "data").rglob("*")) == packs
    repository.close()


def test_a_full_disk_does_not_end_the_renewing(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Locks(documents, refresh_s=0.01)
    save, refused = Documents.save, []

    def refuse(documents: Documents, folder: str, json: bytes) -> str:
        refused.append(folder)
        raise DiskFull("no room")

    with ours.hold():
        (first,) = documents.names("locks")
        monkeypatch.setattr(Documents, "save", refuse)
        wait_for(lambda: len(refused) > 2)
        monkeypatch.setattr(Documents, "save", save)
        wait_for(lambda: first not in documents.names("locks"))
        ours.require_held()
