"""Copies of index files: they save requests, are never the truth, and may go or change at any moment."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vml_jupyter.repository import Repository, memory_store
from vml_jupyter.repository.copies import Copies
from vml_jupyter.repository.store import Store

PASSWORD = "password"


class Counted:
    """A distant store that counts which index files are asked for."""

    is_remote = True

    def __init__(self) -> None:
        self._inner = memory_store()
        self.label = "counted"
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self._inner, name)  # type: ignore[no-any-return]

    def get(self, name: str) -> bytes:
        if name.startswith("index/"):
            self.asked.append(name)
        return self._inner.get(name)


@pytest.fixture
def store() -> Counted:
    return Counted()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fill(store: Store, cache: Path | None, count: int = 5) -> list[str]:
    """Save blobs, one in each of ``count`` index files, and return their ids."""
    repository = Repository.create(store, PASSWORD, scrypt_n=1024, cache=cache)
    ids = []
    for _ in range(count):
        with repository.lock():
            ids.append(repository.save_blob(secrets.token_bytes(100))[0])
            repository.flush()
    repository.close()
    return ids


def read(store: Store, cache: Path, ids: list[str]) -> None:
    repository = Repository.open(store, PASSWORD, cache=cache)
    assert [len(repository.blob(id)) for id in ids] == [100] * len(ids)
    repository.close()


def copies(cache: Path) -> list[Path]:
    return sorted((cache / "index").glob("*/*"))


def test_each_file_is_fetched_once(store: Counted, cache: Path) -> None:
    ids = fill(store, None)
    store.asked.clear()
    read(store, cache, ids)
    assert len(store.asked) == len(set(store.asked)) == 5
    read(store, cache, ids)
    assert len(store.asked) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in copies(cache)} == {0o600}
    assert all(store.get(f"index/{path.name}") == path.read_bytes() for path in copies(cache))


def test_what_this_program_wrote_is_never_fetched(store: Counted, cache: Path) -> None:
    read(store, cache, fill(store, cache))
    assert store.asked == []


@pytest.mark.parametrize("how", ["cut", "altered", "removed", "unreadable", "another's"])
def test_a_copy_is_not_believed(store: Counted, cache: Path, how: str) -> None:
    ids = fill(store, cache)
    first, second, *_ = copies(cache)
    harm = {
        "cut": lambda: first.write_bytes(first.read_bytes()[:-1]),
        "altered": lambda: first.write_bytes(bytes([first.read_bytes()[0] ^ 1]) + first.read_bytes()[1:]),
        "removed": first.unlink,
        "unreadable": lambda: (first.unlink(), first.mkdir()),
        "another's": lambda: first.write_bytes(second.read_bytes()),
    }
    harm[how]()
    read(store, cache, ids)
    assert store.asked == [f"index/{first.name}"]


def test_where_nothing_can_be_kept_nothing_is_missed(store: Counted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    read(store, tmp_path / "file", fill(store, tmp_path / "file"))


def test_a_check_reads_what_is_stored(store: Counted, cache: Path) -> None:
    fill(store, cache)
    store.put(f"index/{copies(cache)[0].name}", [b"altered"])
    repository = Repository.open(store, PASSWORD, cache=cache)
    assert "index-damaged" in {finding.kind for finding in repository.upkeep.check().findings}
    repository.close()


def test_copies_of_what_is_gone_go(store: Counted, cache: Path) -> None:
    fill(store, cache)
    repository = Repository.open(store, PASSWORD, cache=cache)
    repository.prune()
    assert len(repository.index_names()) == 0
    repository.close()
    assert copies(cache) == []


def test_there_are_only_so_many_bytes(tmp_path: Path) -> None:
    kept = Copies(tmp_path, "0" * 64)
    for number in range(5):
        kept.put(f"{number}", bytes(100))
        os.utime(tmp_path / ("0" * 64) / f"{number}", (number, number))
    kept.trim("01234", largest_bytes=250)
    assert sorted(path.name for path in (tmp_path / ("0" * 64)).iterdir()) == ["3", "4"]


def test_copies_of_what_nobody_uses_go(tmp_path: Path) -> None:
    for name, days in (("young", 80), ("old", 100)):
        Copies(tmp_path, name).put("x", b".")
        os.utime(tmp_path / name, (time.time() - days * 86_400,) * 2)
    Copies(tmp_path, "mine").put("x", b".")
    Copies(tmp_path, "mine").trim({"x"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "young"]


def test_a_local_repository_needs_none(tmp_path: Path, cache: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024, cache=cache)
    with repository.lock():
        repository.save_blob(b"x")
        repository.flush()
    repository.close()
    assert not cache.exists()
