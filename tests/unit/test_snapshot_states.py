"""What is remembered of an area: it saves time, and is believed only where it must be true."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from restic_judge import Restic

from vml_jupyter.progress import Silent
from vml_jupyter.repository import Repository, Snapshot, memory_store
from vml_jupyter.repository.documents import Documents
from vml_jupyter.snapshot import Taken, lay, take

PASSWORD = "password"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    yield repository
    repository.close()


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    for folder in ("", "a", "a/b", "c"):
        (area / folder).mkdir(parents=True, exist_ok=True)
        for number in range(5):
            (area / folder / f"{number}.txt").write_text(f"{folder} {number}")
    (area / "c" / "left.pyc").write_text("left out")
    return area


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The trees and index files that are read from here on."""
    read: list[str] = []
    tree, load = Repository.tree, Documents.load_index
    monkeypatch.setattr(Repository, "tree", lambda self, id: (read.append("tree"), tree(self, id))[1])
    monkeypatch.setattr(Documents, "load_index", lambda self, id: (read.append("index"), load(self, id))[1])
    return read


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def taken_twice(repository: Repository, area: Path, cache: Path) -> Taken:
    first = snapshot(repository, area, cache)
    return snapshot(repository, area, cache, first.tree)


def snapshot(repository: Repository, area: Path, cache: Path | None, parent: str | None = None) -> Taken:
    with repository.lock():
        taken = take(repository, area, parent_tree=parent, cache=cache)
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=taken.tree, paths=[str(area)]))
    return taken


def test_an_unchanged_area_needs_neither_trees_nor_index(
    repository: Repository, area: Path, tmp_path: Path, looks: list[str]
) -> None:
    cache = tmp_path / "cache"
    first = snapshot(repository, area, cache)
    (file,) = cache.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.stat()
    reopened = Repository.open(repository.url, PASSWORD)
    looks.clear()
    with reopened.lock():
        again = take(reopened, area, parent_tree=first.tree, cache=cache)
        assert reopened.has_blob(again.tree, "tree")
    assert (again.tree, again.files, again.bytes, again.new_bytes) == (first.tree, 20, first.bytes, 0)
    assert looks == []
    assert reopened.has_blob(again.tree, "tree")
    assert looks == ["index"], "the word is good until the lock is released"
    assert file.stat().st_ino == before.st_ino, "what says the same is not written again"
    reopened.close()


def same_size_and_time(file: Path) -> None:
    status = file.stat()
    file.write_text("A/b 1")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def becomes_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda area: (area / "a/b/1.txt").write_text("changed"),
    "same size and time": lambda area: same_size_and_time(area / "a/b/1.txt"),
    "added": lambda area: (area / "a/new.txt").write_text("new"),
    "added, left out": lambda area: (area / "a/new.pyc").write_text("new"),
    "removed": lambda area: (area / "c/3.txt").unlink(),
    "folder removed": lambda area: shutil.rmtree(area / "a/b"),
    "folder moved": lambda area: (area / "a/b").rename(area / "c/b"),
    "mode": lambda area: (area / "c/3.txt").chmod(0o600),
    "folder's mode": lambda area: (area / "c").chmod(0o700),
    "file becomes folder": lambda area: becomes_a_folder(area / "c/3.txt"),
    "left out becomes folder": lambda area: becomes_a_folder(area / "c/left.pyc"),
    "rules": lambda area: (area / ".vmlignore").write_text("2.txt\n!*.pyc\n"),
    "not UTF-8": lambda area: Path(os.fsdecode(os.fsencode(area) + b"/a/caf\xe9")).write_text("x"),
}


@pytest.mark.parametrize("how", CHANGES)
def test_every_change_is_seen_as_without_the_cache(
    repository: Repository, area: Path, tmp_path: Path, how: str
) -> None:
    first = taken_twice(repository, area, tmp_path / "cache")
    CHANGES[how](area)
    again = snapshot(repository, area, tmp_path / "cache", first.tree)
    third = snapshot(repository, area, tmp_path / "cache", again.tree)
    afresh = snapshot(repository, area, None)
    assert again.tree == afresh.tree == third.tree
    assert (again.files, again.bytes) == (afresh.files, afresh.bytes) == (third.files, third.bytes)
    assert again.tree != first.tree or how == "added, left out"


@pytest.mark.parametrize("how", ["cut", "altered", "empty", "folder", "other format"])
def test_a_damaged_file_is_as_good_as_none(
    repository: Repository, area: Path, tmp_path: Path, how: str
) -> None:
    cache = tmp_path / "cache"
    first = snapshot(repository, area, cache)
    (file,) = cache.iterdir()
    raw = file.read_bytes()
    if how == "folder":
        file.unlink()
        file.mkdir()
    else:
        spoilt = {"cut": raw[:-9], "altered": raw[:99] + b"\xff" + raw[100:], "empty": b""}
        file.write_bytes(spoilt.get(how, b"\x90" * 64))
    (area / "c/3.txt").write_text("changed")
    again = snapshot(repository, area, cache, first.tree)
    assert again.tree == snapshot(repository, area, None).tree


def test_a_file_that_cannot_be_read_is_named_each_time(
    repository: Repository, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def refusing(path: str | bytes, *arguments: int, **others: int) -> int:
        if path in ("3.txt", b"3.txt"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *arguments, **others)

    monkeypatch.setattr(os, "open", refusing)
    again = taken_twice(repository, area, tmp_path / "cache")
    assert len(again.unreadable) == 4


def test_a_lost_tree_is_made_again(repository: Repository, area: Path, tmp_path: Path) -> None:
    """Where a subfolder changed, the trees above it are needed; one that is damaged costs time only."""
    first = snapshot(repository, area, tmp_path / "cache")
    (area / "a/b/1.txt").write_text("changed")
    repository.close()
    for pack in (tmp_path / "repo/data").rglob("*"):
        if pack.is_file() and pack.stat().st_size < 3000:  # the pack of trees is the small one
            raw = bytearray(pack.read_bytes())
            raw[40:-200] = bytes(len(raw[40:-200]))
            pack.write_bytes(raw)
    reopened = Repository.open(repository.url, PASSWORD)
    again = take(reopened, area, parent_tree=first.tree, cache=tmp_path / "cache")
    assert again.files == 20
    reopened.close()


def test_what_prune_moved_is_not_believed_to_be_there(
    repository: Repository, area: Path, tmp_path: Path, looks: list[str]
) -> None:
    first = snapshot(repository, area, tmp_path / "cache")
    second = snapshot(repository, area / "a", tmp_path / "cache")
    restic = Restic(tmp_path / "repo", PASSWORD)
    gone = next(item.id for item in repository.snapshots() if item.tree == first.tree)
    restic.run("forget", "--prune", gone)
    reopened = Repository.open(repository.url, PASSWORD)
    again = snapshot(reopened, area, tmp_path / "cache", first.tree)
    reopened.close()
    assert again.new_bytes > 0
    assert second.files == 10
    restic.check()
    assert again.tree == first.tree


def test_another_parent_is_not_compared_with_what_is_remembered(
    repository: Repository, area: Path, tmp_path: Path
) -> None:
    old = snapshot(repository, area, tmp_path / "cache")
    (area / "c/3.txt").write_text("changed")
    new = snapshot(repository, area, tmp_path / "cache", old.tree)
    assert snapshot(repository, area, tmp_path / "cache", old.tree).tree == new.tree


def test_a_cache_that_cannot_be_written_does_no_harm(
    repository: Repository, area: Path, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("no folder")
    assert taken_twice(repository, area, tmp_path / "cache").files == 20


def test_another_file_system_is_said_to_be_left_empty_each_time(area: Path, tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(area / "c")]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount")
    repository = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    try:
        first = snapshot(repository, area, tmp_path / "cache")
        notes = Notes()
        take(repository, area, notes, parent_tree=first.tree, cache=tmp_path / "cache")
    finally:
        subprocess.run(["umount", str(area / "c")], check=True)
        repository.close()
    assert notes.notes == ["c/ is another file system and is left empty"]


def test_what_was_taken_with_the_cache_comes_back(repository: Repository, area: Path, tmp_path: Path) -> None:
    first = taken_twice(repository, area, tmp_path / "cache")
    (area / "a/b/1.txt").write_text("changed")
    again = snapshot(repository, area, tmp_path / "cache", first.tree)
    lay(repository, again.tree, tmp_path / "laid")
    assert (tmp_path / "laid/a/b/1.txt").read_text() == "changed"
    assert (tmp_path / "laid/c/3.txt").read_text() == "c 3"
