"""Locks: who excludes whom, who is dead, and what restic sees of it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic

from vml_jupyter.errors import LogbookDamaged, LogbookLocked, StoreUnreachable
from vml_jupyter.repository import Repository, locks, opening
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.gotime import format_time
from vml_jupyter.repository.identity import hostname, process_space
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.records import LockRecord
from vml_jupyter.repository.store import LocalFolder

PASSWORD = "password"


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    store = LocalFolder(tmp_path)
    key, config = opening.create(store, PASSWORD, 1024)
    return Documents(store, key, config.version)


def locked(documents: Documents) -> list[LockRecord]:
    return [
        msgspec.json.decode(documents.load("locks", id), type=LockRecord) for id in documents.names("locks")
    ]


def lock_as(
    documents: Documents,
    *,
    exclusive: bool,
    age_s: float = 0,
    stored_s: float | None = None,
    host: str = "elsewhere",
    pid: int = 1,
    space: str = "",
) -> None:
    """Lock as somebody else, who said so ``age_s`` ago by their clock and ``stored_s`` ago by the store's."""
    record = LockRecord(
        time=format_time(time.time_ns() - int(age_s * 1e9)),
        exclusive=exclusive,
        hostname=host,
        pid=pid,
        space=space,
    )
    id = documents.save("locks", msgspec.json.encode(record))
    stored = time.time() - (age_s if stored_s is None else stored_s)
    os.utime(Path(documents.label) / "locks" / id, (stored, stored))


def dead_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_a_lock_is_there_as_long_as_it_is_held(documents: Documents) -> None:
    ours = Locks(documents)
    with ours.hold():
        (lock,) = locked(documents)
        assert (lock.exclusive, lock.pid, lock.hostname) == (False, os.getpid(), hostname())
        with ours.hold() as outermost:
            assert not outermost
        assert locked(documents) == [lock]
    assert locked(documents) == []


def test_writers_share(documents: Documents) -> None:
    lock_as(documents, exclusive=False)
    with Locks(documents).hold(), Locks(documents).hold():
        assert len(locked(documents)) == 3


@pytest.mark.parametrize(("theirs", "ours"), [(True, False), (False, True), (True, True)])
def test_exclusive_excludes(documents: Documents, theirs: bool, ours: bool) -> None:
    lock_as(documents, exclusive=theirs)
    with pytest.raises(LogbookLocked) as caught, Locks(documents).hold(ours):
        pass
    assert "elsewhere" in str(caught.value)
    assert len(locked(documents)) == 1


def test_a_program_does_not_exclude_itself_twice(documents: Documents) -> None:
    ours = Locks(documents)
    with ours.hold(exclusive=True), ours.hold(exclusive=False), ours.hold(exclusive=True):
        assert len(locked(documents)) == 1
    with ours.hold(), pytest.raises(LogbookLocked), ours.hold(exclusive=True):
        pass


def test_an_old_lock_is_stale(documents: Documents) -> None:
    lock_as(documents, exclusive=True, age_s=locks.STALE_S + 1)
    with Locks(documents).hold(exclusive=True):
        assert len(locked(documents)) == 1


@pytest.mark.parametrize(("age_s", "stored_s"), [(0, 7200), (7200, 0)])
def test_a_lock_is_old_by_all_clocks_or_not_at_all(
    documents: Documents, age_s: float, stored_s: float
) -> None:
    """Whoever's clock is two hours behind, or ahead, works here all the same."""
    lock_as(documents, exclusive=False, age_s=age_s, stored_s=stored_s)
    with pytest.raises(LogbookLocked), Locks(documents).hold(exclusive=True):
        pass
    assert len(locked(documents)) == 1


def test_the_lock_of_a_dead_process_here_is_stale(documents: Documents) -> None:
    lock_as(documents, exclusive=True, host=hostname(), pid=dead_process(), space=process_space())
    with Locks(documents).hold():
        assert len(locked(documents)) == 1


def test_a_process_of_another_container_of_the_same_name_is_not_known_to_be_dead(
    documents: Documents,
) -> None:
    lock_as(documents, exclusive=True, host=hostname(), pid=dead_process(), space="0" * 12)
    with pytest.raises(LogbookLocked), Locks(documents).hold():
        pass
    assert Locks(documents).unlock() == 1, "but who says so decides"


def test_restic_does_not_say_in_which_container_it_runs_but_renews_its_lock(documents: Documents) -> None:
    lock_as(documents, exclusive=True, host=hostname(), pid=dead_process())
    with pytest.raises(LogbookLocked), Locks(documents).hold():
        pass
    Locks(documents).unlock()
    lock_as(documents, exclusive=True, host=hostname(), pid=dead_process(), age_s=3 * locks.REFRESH_S)
    with Locks(documents).hold():
        assert len(locked(documents)) == 1


def test_the_lock_of_a_living_process_here_is_not(documents: Documents) -> None:
    lock_as(documents, exclusive=True, host=hostname(), pid=os.getppid())
    with pytest.raises(LogbookLocked), Locks(documents).hold():
        pass


def test_a_lock_is_renewed_while_it_is_held(documents: Documents) -> None:
    with Locks(documents, refresh_s=0.01).hold():
        (first,) = documents.names("locks")
        deadline = time.monotonic() + 10
        while first in documents.names("locks"):
            assert time.monotonic() < deadline
        assert 1 <= len(list(documents.names("locks"))) <= 2
    assert list(documents.names("locks")) == []


def test_a_lock_that_could_not_be_renewed_stops_the_work(documents: Documents, monkeypatch) -> None:
    ours = Locks(documents)
    with ours.hold():
        ours.require_alive()
        monkeypatch.setattr(locks, "_LAPSED_S", -1.0)
        with pytest.raises(LogbookLocked):
            ours.require_alive()


def test_a_lock_that_could_not_be_removed_does_not_exclude_whoever_made_it(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, refused = Locks(documents), []

    def refuse(documents: Documents, folder: str, id: str) -> None:
        refused.append(id)
        raise StoreUnreachable("the disk fails")

    with monkeypatch.context() as failing:
        failing.setattr(Documents, "delete", refuse)
        with ours.hold():
            pass
    assert list(documents.names("locks")) == refused
    with ours.hold(exclusive=True):
        assert len(locked(documents)) == 1
    assert locked(documents) == []


def test_threads_share_the_lock_of_their_program(documents: Documents) -> None:
    ours = Locks(documents)
    inside = threading.Barrier(4, timeout=10)

    def hold() -> None:
        with ours.hold():
            inside.wait()

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    inside.wait()
    for thread in threads:
        thread.join()
    assert locked(documents) == []


def test_what_is_no_lock_is_damage_and_what_is_empty_is_nothing(documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir(exist_ok=True)
    (tmp_path / "locks" / ("0" * 64)).touch()
    with Locks(documents).hold():
        pass
    (tmp_path / "locks" / ("1" * 64)).write_bytes(b"garbage")
    with pytest.raises(LogbookDamaged), Locks(documents).hold():
        pass


def test_restic_respects_our_locks_and_we_respect_restics(tmp_path: Path) -> None:
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    restic = Restic(tmp_path, PASSWORD)
    with repository.lock():
        assert "locked" in restic.run("prune", ok=False)
        assert restic.run("snapshots") == ""
    restic.run("prune")
    repository.close()
