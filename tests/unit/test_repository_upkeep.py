"""What check, prune and repair stand on: headers read back, sizes listed, trees followed, other copies found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from restic_judge import Restic

from vml_jupyter.repository import Node, Repository, Snapshot, memory_store
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.header import pack_bytes, read_header
from vml_jupyter.repository.pack import OpenPack, pack_name
from vml_jupyter.repository.store import LocalFolder, Store

KEY = Key.generate()
PASSWORD = "password"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalFolder(tmp_path / "repo") if request.param == "folder" else memory_store()


@given(st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 1 << 31)), min_size=1, max_size=30))
def test_a_header_is_read_back(blobs: list[tuple[bytes, int]]) -> None:
    pack, store = OpenPack("tree"), memory_store()
    for number, (content, plain) in enumerate(blobs):
        pack.append(f"{number:064x}", KEY.seal(content), plain)
    id, pieces = pack.close(KEY)
    store.put(pack_name(id), pieces)
    size = sum(map(len, pieces))
    assert pack_bytes(pack.blobs) == size
    assert read_header(store, KEY, id, size) == pack.blobs


def test_a_header_longer_than_the_first_look(store: Store) -> None:
    pack = OpenPack("data")
    for number in range(3000):
        pack.append(f"{number:064x}", KEY.seal(b""), 1)
    id, pieces = pack.close(KEY)
    store.put(pack_name(id), pieces)
    assert read_header(store, KEY, id, sum(map(len, pieces))) == pack.blobs


def test_sizes_are_listed(store: Store) -> None:
    assert list(store.sizes("data")) == []
    store.put("data/aa/x", [b"12", b"3"])
    store.put("data/bb/y", [b""])
    assert sorted(store.sizes("data")) == [("x", 3), ("y", 0)]


def test_a_repository_anywhere_is_looked_after(store: Store) -> None:
    repository = Repository.create(store, PASSWORD, scrypt_n=1024)
    snapshots = []
    for name in ("kept", "gone"):
        with repository.lock():
            blob, _ = repository.save_blob(os.urandom(100_000))
            tree = repository.save_tree([Node(name=name, type="file", content=[blob])])
            snapshots.append(repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree)))
    report = repository.upkeep.check(read_data=True)
    assert (report.findings, report.snapshots, report.packs, report.blobs) == ((), 2, 4, 4)
    assert report.read_bytes == report.bytes > 200_000
    repository.delete_snapshot(snapshots[1])
    assert repository.prune().freed_bytes > 100_000
    lost = next(name for name, size in store.sizes("data") if size > 1000)
    store.delete(pack_name(lost))
    report = repository.upkeep.check()
    assert [finding.kind for finding in report.findings] == ["pack-missing"]
    assert report.findings[0].affected[0].files == ("/kept",)
    repository.close()


def test_more_paths_than_anybody_counts(tmp_path: Path) -> None:
    """Sixty folders, each with the next one twice: 2^60 paths lead to the file that is lost."""
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    with repository.lock():
        lost, _ = repository.save_blob(b"lost")
        repository.flush()
        tree = repository.save_tree([Node(name="file", type="file", content=[lost])])
        for _ in range(60):
            tree = repository.save_tree([Node(name=name, type="dir", subtree=tree) for name in "ab"])
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree))
    pack, _ = repository._index.place("data", lost) or ("", None)
    (tmp_path / pack_name(pack)).unlink()
    (finding,) = repository.upkeep.check().findings
    assert finding.affected[0].files_total == 100_000, "where counting ends"
    assert len(finding.affected[0].files) == 100
    repository.close()


def test_a_copy_in_another_pack_is_found(tmp_path: Path) -> None:
    """Two who write at once store the same blob twice; one pack is lost, and nothing with it."""
    one = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    two = Repository.open(str(tmp_path), PASSWORD)
    with one.lock(), two.lock():
        for repository in (one, two):
            blob, _ = repository.save_blob(b"the same")
            repository.flush()
    packs = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(packs) == 2
    for lost, other in (packs, packs[::-1]):
        raw = lost.read_bytes()
        for change in (raw[:10], bytes([raw[0] ^ 1]) + raw[1:], None):
            lost.unlink() if change is None else lost.write_bytes(change)
            again = Repository.open(str(tmp_path), PASSWORD)
            assert bytes(again.blob(blob)) == b"the same"
            assert [bytes(raw) for raw in again.blobs([blob, blob])] == [b"the same"] * 2
            (finding,) = again.upkeep.check(read_data=True).findings
            assert other.name not in finding.object
            again.close()
        lost.write_bytes(raw)
    one.close()
    two.close()


def test_repair_names_only_what_is_there(tmp_path: Path) -> None:
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    with repository.lock():
        repository.save_blob(b"unused")
        repository.flush()
        blob, _ = repository.save_blob(b"used")
        tree = repository.save_tree([Node(name="file", type="file", content=[blob])])
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    repository.upkeep.repair_index()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before, "nothing was wrong"
    for index in (tmp_path / "index").iterdir():
        index.write_bytes(b"")
    repository.upkeep.repair_index()
    assert repository.upkeep.check(read_data=True).findings == ()
    assert bytes(repository.blob(blob)) == b"used"
    Restic(tmp_path, PASSWORD).check()
    repository.close()
