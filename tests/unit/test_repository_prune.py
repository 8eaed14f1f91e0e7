"""Pruning: gives room back, keeps what anybody's snapshot needs, and may be interrupted at any byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from restic_judge import Restic

from vml_jupyter.errors import DiskFull, LogbookDamaged, LogbookLocked, StoreUnreachable
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.store import LocalFolder

PASSWORD = "password"


def save(repository: Repository, files: dict[str, bytes]) -> str:
    """Write a snapshot with these files and return its id."""
    with repository.lock():
        nodes = [
            Node(name=name, type="file", content=[repository.save_blob(raw)[0]], size=len(raw))
            for name, raw in files.items()
        ]
        tree = repository.save_tree(nodes)
        return repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/area"]))


def read(repository: Repository, snapshot: str) -> dict[str, bytes]:
    (found,) = (one for one in repository.snapshots() if one.id == snapshot)
    return {
        node.name: b"".join(map(repository.blob, node.content or ())) for node in repository.tree(found.tree)
    }


def room(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repo"


@pytest.fixture
def repository(folder: Path):
    repository = Repository.create(str(folder), PASSWORD, scrypt_n=1024)
    yield repository
    repository.close()


KEPT = {"kept": os.urandom(300_000), "both": os.urandom(200_000)}
GONE = {"gone": os.urandom(400_000), "both": KEPT["both"]}


def test_room_of_what_was_forgotten_is_given_back(repository: Repository, folder: Path) -> None:
    kept, gone = save(repository, KEPT), save(repository, GONE)
    before = room(folder)
    repository.delete_snapshot(gone)
    told = repository.prune(dry_run=True)
    assert (room(folder), told.dry_run) == (before, True)
    pruned = repository.prune()
    assert pruned.freed_bytes == told.freed_bytes == before - room(folder)
    assert pruned.freed_bytes > 400_000
    assert read(repository, kept) == KEPT
    assert repository.upkeep.check(read_data=True).findings == ()
    assert list((folder / "locks").iterdir()) == []


def test_what_is_used_in_part_is_moved(repository: Repository, folder: Path) -> None:
    with repository.lock():  # both snapshots in one pack
        kept = save(repository, KEPT)
        ids = [repository.save_blob(os.urandom(50_000))[0] for _ in range(10)]
        tree = repository.save_tree([Node(name=id, type="file", content=[id]) for id in ids])
        gone = repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree))
        partly = repository.save_snapshot(
            Snapshot(
                time="2026-01-01T00:00:00Z",
                tree=repository.save_tree([Node(name="0", type="file", content=ids[:1])]),
            )
        )
    repository.delete_snapshot(gone)
    idle = repository.upkeep.prune(max_unused_percent=100)
    assert (idle.packs_repacked, idle.unused_bytes > 400_000) == (0, True)
    pruned = repository.prune()
    assert pruned.packs_repacked >= 1
    assert pruned.unused_bytes == 0
    assert len(read(repository, partly)["0"]) == 50_000
    assert read(repository, kept) == KEPT
    assert repository.upkeep.check(read_data=True).findings == ()
    assert repository.prune().packs_removed == 0


def test_nothing_to_do_changes_nothing(repository: Repository, folder: Path) -> None:
    save(repository, KEPT)
    before = files_of(folder)
    assert repository.prune().freed_bytes == 0
    assert files_of(folder) == before


def test_what_is_kept_on_request_stays(repository: Repository) -> None:
    gone = save(repository, GONE)
    (snapshot,) = repository.snapshots()
    repository.delete_snapshot(gone)
    assert repository.prune(keep=[snapshot.tree]).freed_bytes == 0
    assert len(repository.tree(snapshot.tree)) == 2
    assert repository.prune().freed_bytes > 600_000


def test_an_empty_logbook_takes_no_room(repository: Repository, folder: Path) -> None:
    repository.delete_snapshot(save(repository, KEPT))
    repository.prune()
    assert room(folder) == 0
    assert list((folder / "index").iterdir()) == []
    kept = save(repository, KEPT)
    assert read(repository, kept) == KEPT


def test_what_is_in_two_packs_is_kept_once(repository: Repository, folder: Path) -> None:
    other = Repository.open(str(folder), PASSWORD)
    with repository.lock(), other.lock():
        one = save(repository, KEPT)
        two = save(other, KEPT)
    assert room(folder) > 1_000_000
    repository.prune()
    assert room(folder) < 510_000
    assert read(repository, one) == read(repository, two) == KEPT
    assert repository.upkeep.check(read_data=True).findings == ()
    other.close()


def test_what_an_interruption_left_is_removed(repository: Repository, folder: Path) -> None:
    save(repository, KEPT)
    before = room(folder)
    with repository.lock():
        repository.save_blob(os.urandom(100_000))
        repository.flush()
    for index in sorted((folder / "index").iterdir(), key=lambda path: path.stat().st_mtime_ns)[1:]:
        index.unlink()
    assert {finding.kind for finding in repository.upkeep.check().findings} == {"pack-unused"}
    repository.prune()
    assert room(folder) == before


@pytest.mark.parametrize("what", ["snapshots", "index", "data"])
def test_nothing_is_removed_where_something_cannot_be_read(folder: Path, what: str) -> None:
    repository = Repository.create(str(folder), PASSWORD, scrypt_n=1024)
    for content in (KEPT, GONE):
        last = save(repository, content)
    repository.delete_snapshot(last)
    repository.close()
    for path in list((folder / what).rglob("*")):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-100])
    before = files_of(folder)
    repository = Repository.open(str(folder), PASSWORD)
    with pytest.raises(LogbookDamaged) as caught:
        repository.prune()
    assert caught.value.hint
    assert files_of(folder) == before
    repository.close()


def test_nobody_else_may_be_writing(repository: Repository, folder: Path) -> None:
    other = Repository.open(str(folder), PASSWORD)
    with other.lock(), pytest.raises(LogbookLocked):
        repository.prune()
    with repository.lock(), pytest.raises(LogbookLocked):
        repository.prune()
    repository.prune()
    other.close()


class Ending:
    """A folder after so many changes to which nothing is changed any more, as when the process is killed."""

    def __init__(self, folder: Path, changes: int) -> None:
        self._inner = LocalFolder(folder)
        self.changes = changes
        self.label, self.is_remote = self._inner.label, False
        self.get, self.get_range = self._inner.get, self._inner.get_range
        self.list, self.sizes, self.times = self._inner.list, self._inner.sizes, self._inner.times

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        self._change()
        self._inner.put(name, pieces)

    def delete(self, name: str) -> None:
        self._change()
        self._inner.delete(name)

    def _change(self) -> None:
        if self.changes <= 0:
            raise StoreUnreachable("the process is gone")
        self.changes -= 1


def test_an_end_after_any_change_harms_nothing(tmp_path: Path) -> None:
    """Every snapshot restores, both programs call the repository clean, and the next prune gives the room back."""
    model = tmp_path / "model"
    repository = Repository.create(str(model), PASSWORD, scrypt_n=1024)
    with repository.lock():
        kept = save(repository, KEPT)
        gone = save(repository, GONE)
    also = save(repository, {"more": os.urandom(1000)})
    gone_too = save(repository, {"less": os.urandom(1000)})
    for snapshot in (gone, gone_too):
        repository.delete_snapshot(snapshot)
    repository.close()
    freed, ends = 0, 0
    while not freed:
        folder = tmp_path / f"copy{ends}"
        shutil.copytree(model, folder)
        repository = Repository.open(Ending(folder, ends), PASSWORD)
        try:
            freed = repository.prune().freed_bytes
        except StoreUnreachable:
            ends += 1
        repository.close()
        check_after_an_end(folder, {kept: KEPT}, also)
    assert ends >= 8, "locks, packs, index files: put and deleted"


def check_after_an_end(folder: Path, snapshots: dict[str, dict[str, bytes]], other: str) -> None:
    repository = Repository.open(str(folder), PASSWORD)
    repository.upkeep.unlock(remove_all=True)  # whose process, in truth this one, lives
    assert repository.upkeep.check(read_data=True).clean
    Restic(folder, PASSWORD).check()
    for id, content in snapshots.items():
        assert read(repository, id) == content
    repository.prune()
    assert room(folder) < 520_000
    assert read(repository, other)
    Restic(folder, PASSWORD).check()
    assert repository.upkeep.check(read_data=True).findings == ()
    repository.close()
    shutil.rmtree(folder)


def test_a_disk_without_room_to_move_anything_gets_some(
    repository: Repository, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packs that can go do, though those that need new ones cannot; what was begun takes no room from then on."""
    with repository.lock():
        kept = save(repository, KEPT)
        many = [repository.save_blob(os.urandom(50_000))[0] for _ in range(10)]
        nodes = [Node(name=id, type="file", size=50_000, content=[id]) for id in many[:1]]
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=repository.save_tree(nodes)))
    repository.delete_snapshot(save(repository, GONE))
    with repository.lock():
        repository.save_blob(os.urandom(500_000))
        repository.flush()
    before = room(folder)
    put = LocalFolder.put

    def refuse(store: LocalFolder, name: str, pieces: Sequence[bytes]) -> None:
        if name.startswith("data/"):
            raise DiskFull("no room left")
        put(store, name, pieces)

    monkeypatch.setattr(LocalFolder, "put", refuse)
    done = repository.upkeep.prune(max_unused_percent=0)
    assert (done.packs_repacked, done.freed_bytes) == (0, before - room(folder))
    assert done.freed_bytes > 900_000
    with pytest.raises(DiskFull):
        repository.upkeep.prune(max_unused_percent=0)
    monkeypatch.undo()
    assert repository.upkeep.check(read_data=True).clean
    assert repository.upkeep.prune(max_unused_percent=0).packs_repacked == 1
    assert read(repository, kept) == KEPT
    assert repository.upkeep.check(read_data=True).findings == ()
