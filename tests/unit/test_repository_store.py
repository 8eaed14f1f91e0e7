"""Stores: one suite for all of them, then what is special about a folder and about a bucket."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vml_jupyter.errors import DiskFull, StoreUnreachable, Usage
from vml_jupyter.repository.remote import memory_store, open_store
from vml_jupyter.repository.store import LocalFolder, Store


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalFolder(tmp_path / "store") if request.param == "folder" else memory_store()


def test_what_was_put_is_got(store: Store) -> None:
    store.put("data/aa/x", [b"one", b"two", b""])
    assert store.get("data/aa/x") == b"onetwo"
    assert store.get_range("data/aa/x", 2, 3) == b"etw"


def test_putting_again_replaces_whole(store: Store) -> None:
    store.put("config", [b"long and old"])
    store.put("config", [b"new"])
    assert store.get("config") == b"new"


def test_what_is_there_is_not_created_again(store: Store) -> None:
    store.create("config", b"first")
    with pytest.raises(FileExistsError):
        store.create("config", b"second")
    assert store.get("config") == b"first"
    store.put("index/x", [b"."])
    assert sorted(name for name, _ in store.times("index")) == ["x"]
    assert all(abs(time.time() - stored) < 60 for _, stored in store.times("index"))


def test_ranges_of_a_large_file(store: Store) -> None:
    content = os.urandom(3 << 20)
    store.put("data/bb/y", [content[:100], content[100:]])
    for offset, length in ((0, 10), ((1 << 20) - 5, 10), (1000, 2 << 20), (len(content) - 3, 3)):
        assert store.get_range("data/bb/y", offset, length) == content[offset : offset + length]


def test_listing_names_files_below_a_folder(store: Store) -> None:
    assert list(store.list("data")) == []
    for name in ("data/aa/x", "data/bb/y", "index/z"):
        store.put(name, [b"."])
    assert sorted(store.list("data")) == ["x", "y"]
    assert list(store.list("index")) == ["z"]


def test_what_is_missing_is_said_to_be(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.get("config")
    with pytest.raises(FileNotFoundError):
        store.get_range("data/aa/x", 0, 1)


def test_deleting_twice_is_no_error(store: Store) -> None:
    store.put("locks/x", [b"."])
    store.delete("locks/x")
    store.delete("locks/x")
    assert list(store.list("locks")) == []


def test_a_folder_is_the_users_own(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path / "deep" / "store")
    folder.put("data/aa/x", [b"."])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.folder.rglob("*")}
    assert modes == {"data": 0o700, "aa": 0o700, "x": 0o600, "tmp": 0o700}
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700


def test_a_groups_folder_stays_the_groups(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    folder = LocalFolder(tmp_path)
    folder.put("index/x", [b"."])
    assert stat.S_IMODE((tmp_path / "index" / "x").stat().st_mode) == 0o660
    assert stat.S_IMODE((tmp_path / "index").stat().st_mode) == 0o770


def test_what_a_crash_left_is_removed_a_day_later(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    old.touch()
    young.touch()
    os.utime(old, (time.time() - 90_000,) * 2)
    LocalFolder(tmp_path).put("index/x", [b"."])
    assert [path.name for path in (tmp_path / "tmp").iterdir()] == ["young"]


def test_a_put_that_fails_leaves_nothing(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)

    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.put("index/x", pieces())  # type: ignore[arg-type]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_put_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda number: (events.append("fsync"), fsync(number))[1])
    monkeypatch.setattr(
        Path, "rename", lambda path, target: (events.append("rename"), rename(path, target))[1]
    )
    folder = LocalFolder(tmp_path)
    folder.put("index/x", [b"."])
    events.clear()
    folder.put("index/y", [b"."])
    assert events == ["fsync", "rename", "fsync"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_said_to_be_full(small_disk: Path) -> None:
    folder = LocalFolder(small_disk)
    folder.put("index/x", [b"."])
    with pytest.raises(DiskFull) as caught:
        folder.put("data/aa/y", [bytes(2 << 20)])
    assert caught.value.hint
    assert sorted(path.name for path in small_disk.rglob("*") if path.is_file()) == ["x"]


@pytest.mark.parametrize("refused", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_server_without_modes_links_and_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise OSError(refused, os.strerror(refused))

    for name in ("fsync", "fchmod", "link"):
        monkeypatch.setattr(os, name, refuse)
    folder = LocalFolder(tmp_path)
    test_what_was_put_is_got(folder)
    test_what_is_there_is_not_created_again(folder)
    folder.delete("index/x")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_place_that_is_no_folder_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnreachable):
        LocalFolder(tmp_path / "file").put("config", [b"."])


def test_a_bucket_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with pytest.raises(StoreUnreachable):
        open_store("s3:http://127.0.0.1:9/bucket/prefix").get("config")


@pytest.mark.parametrize("url", ["", "ftp://host/x", "s3://", "s3:https://host/"])
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(Usage):
        open_store(url)


def test_urls_of_folders(tmp_path: Path) -> None:
    assert open_store(f"file://{tmp_path}/a%20b").label == f"{tmp_path}/a b"
    assert open_store(str(tmp_path)).label == str(tmp_path)
