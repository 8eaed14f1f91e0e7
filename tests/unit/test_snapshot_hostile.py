"""A repository that means harm: an error in plain words, nothing outside the target, nothing left, no flood."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from vml_jupyter.errors import DiskFull, Foreign, LogbookDamaged, VmlError
from vml_jupyter.repository import ExtendedAttribute, Node, Repository
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.pack import PackedBlob
from vml_jupyter.repository.tracing import walk
from vml_jupyter.snapshot import lay
from vml_jupyter.snapshot.plan import plan

FOLDER, FILE = from_stat(0o040755), from_stat(0o100644)
ENOUGH_S = 20
ENOUGH_BYTES = 300 << 20


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    repository = Repository.create(str(tmp_path / "repo"), "password", scrypt_n=1024)
    yield repository
    repository.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A place to restore to, and what must hold whatever is restored: nothing is left, little was used."""
    parent = tmp_path / "parent"
    parent.mkdir()
    before, since = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    yield parent / "target"
    assert list(parent.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parent", "repo"]
    assert time.monotonic() - since < ENOUGH_S
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < ENOUGH_BYTES


def tree_of(repository: Repository, *nodes: Node) -> str:
    """Save a tree as it is given, sorted or not."""
    tree, _ = repository.save_blob(b'{"nodes":' + msgspec.json.encode(nodes) + b"}\n", "tree")
    repository.flush()
    return tree


def file(repository: Repository, **rest: Any) -> Node:
    content = [repository.save_blob(b"content")[0]]
    return Node(**{"name": "a", "type": "file", "mode": FILE, "content": content, **rest})


@pytest.mark.parametrize(
    "rest",
    [
        {"uid": 2**32},
        {"gid": -1},
        {"uid": 10**30},
        {"name": "x" * 256},
        {"name": "\\xff" * 256},
        {"mtime": "9999-99-99T99:99:99.999999999Z"},
        {"mtime": "2020-01-01T00:00:00.1234567890123Z"},
        {"atime": "soon", "mtime": "2020-01-01T00:00:00Z"},
        {"extended_attributes": [ExtendedAttribute(name="")]},
        {"extended_attributes": [ExtendedAttribute(name="user.a\0b")]},
        {"extended_attributes": [ExtendedAttribute(name="user." + "x" * 300)]},
        {"extended_attributes": [ExtendedAttribute(name="user.x", value=bytes(100_000))]},
        {"type": "symlink", "linktarget": "x" * 5000},
        {"type": "symlink", "linktarget_raw": b"a\0b"},
        {"type": "chardev", "device": 2**64},
        {"type": "chardev", "device": -1},
        {"type": "irregular door"},
    ],
)
def test_numbers_and_names_that_no_system_takes(
    repository: Repository, target: Path, rest: dict[str, Any]
) -> None:
    with pytest.raises(Foreign) as caught:
        lay(repository, tree_of(repository, file(repository, **rest)), target)
    assert caught.value.message


@pytest.mark.parametrize("mode", [2**31 - 1, 2**63, -1])
def test_a_mode_of_nonsense_is_cut_to_what_modes_hold(
    repository: Repository, tmp_path: Path, mode: int
) -> None:
    lay(repository, tree_of(repository, file(repository, mode=mode)), tmp_path / "laid")
    assert (tmp_path / "laid" / "a").stat().st_mode & ~0o107777 == 0


def test_a_link_and_then_a_file_through_it(repository: Repository, target: Path, tmp_path: Path) -> None:
    """One tree twice: as a folder of links, and as what is written below it."""
    link = Node(name="out", type="symlink", linktarget=str(tmp_path))
    below = Node(
        name="out", type="dir", mode=FOLDER, subtree=tree_of(repository, file(repository, name="planted"))
    )
    for nodes in ([link, below], [below, link], [link, file(repository, name="out/planted")]):
        with pytest.raises(Foreign):
            lay(repository, tree_of(repository, *nodes), target)


def test_more_bytes_than_any_disk(repository: Repository, target: Path) -> None:
    content = [repository.save_blob(os.urandom(8 << 20))[0]] * 100_000
    tree = tree_of(repository, file(repository, content=content, size=2**63 - 1))
    with pytest.raises(DiskFull):
        lay(repository, tree, target)


def test_a_hole_larger_than_any_disk_is_no_harm(repository: Repository, tmp_path: Path) -> None:
    """A sparse file of 4 TB is restored in a moment where the file system has such; it takes no room."""
    content = [repository.save_blob(bytes(8 << 20))[0]] * 200_000
    tree = tree_of(repository, file(repository, content=content))
    total = plan(repository, tree)
    assert (total.bytes, total.room_bytes) == (200_000 * (8 << 20), 0)


def save_lying(repository: Repository, sealed: bytes, **lies: Any) -> str:
    """Store ``sealed`` as a blob of which the index says something else."""
    id = repository.save_blob(sealed)[0]
    repository.flush()
    places = repository._index._places["data"]
    pack, blob = places[id]
    places[id] = (pack, msgspec.structs.replace(blob, **lies))
    return id


@pytest.mark.parametrize(
    "lies",
    [
        {"uncompressed_length": 2**62},
        {"uncompressed_length": 60 << 20},
        {"uncompressed_length": -5},
        {"length": 2**62, "uncompressed_length": 0},
        {"length": 5},
        {"length": -40},
        {"offset": -1},
        {"offset": 2**62},
        {"offset": 2**70},
    ],
)
def test_an_index_that_lies_about_a_blob(repository: Repository, target: Path, lies: dict[str, Any]) -> None:
    """It is refused, or found out: then the blob is read where the pack itself says that it lies."""
    id = save_lying(repository, b"a" * 1_000_000, **lies)
    tree = tree_of(repository, file(repository, content=[id]))
    with suppress(LogbookDamaged, DiskFull):
        lay(repository, tree, target)
    if target.exists():
        assert (target / "a").read_bytes() == b"a" * 1_000_000
        shutil.rmtree(target)


@pytest.mark.parametrize("claimed", [0, 1000, 64 << 20])
def test_a_blob_that_swells(
    repository: Repository, target: Path, claimed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame of 100 kB that becomes 1 GB is stopped at the size that the index claims."""
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 30))
    monkeypatch.setattr("vml_jupyter.repository.encoding.compress_all", lambda blobs: [bomb for _ in blobs])
    monkeypatch.setattr("vml_jupyter.repository.encoding.compress", lambda blob: bomb)
    id = save_lying(repository, b"x" * 2_000_000, uncompressed_length=claimed)
    monkeypatch.undo()
    with pytest.raises(VmlError):
        lay(repository, tree_of(repository, file(repository, content=[id])), target)


class Round:
    """A source of trees that hold themselves, which no digest allows: the guard behind the guard."""

    def tree(self, id: str) -> tuple[Node, ...]:
        other = "b" if id == "a" else "a"
        return tuple(Node(name=str(number), type="dir", mode=FOLDER, subtree=other) for number in range(100))

    def blob(self, id: str) -> bytes:
        raise AssertionError

    def blob_size(self, id: str) -> int:
        raise AssertionError


def test_trees_in_a_circle() -> None:
    with pytest.raises(Foreign, match="deep"):
        plan(Round(), "a")


def test_a_tree_in_the_place_of_another(repository: Repository, target: Path) -> None:
    """An index may say of a tree that it lies where its own parent does: its digest gives that away."""
    inner = tree_of(repository, file(repository))
    outer = tree_of(repository, Node(name="d", type="dir", mode=FOLDER, subtree=inner))
    trees: dict[str, tuple[str, PackedBlob]] = repository._index._places["tree"]
    trees[inner] = (trees[outer][0], msgspec.structs.replace(trees[outer][1], id=inner))
    lay(repository, outer, target)
    assert (target / "d" / "a").read_bytes() == b"content", "read where the pack itself says that it lies"
    shutil.rmtree(target)


def test_a_folder_of_millions(repository: Repository, target: Path) -> None:
    """Five million things in a few kB: refused before any of them takes memory."""
    tree, _ = repository.save_blob(b'{"nodes":[' + b"{}," * 5_000_000 + b"{}]}\n", "tree")
    repository.flush()
    with pytest.raises(LogbookDamaged, match="too many"):
        lay(repository, tree, target)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b'{"nodes":[' + b'{"name":"","type":""},' * 5_000_000 + b"{}]}\n", "too many"),
        (b'{"nodes":[{"name":"a","type":"file","content":[' + b'"",' * 5_000_000 + b'""]}]}\n', "length"),
    ],
)
def test_a_tree_of_millions_is_no_tree_to_who_follows_them(
    repository: Repository, raw: bytes, what: str
) -> None:
    """Check and prune read less of a node, and refuse what would take gigabytes all the same."""
    tree, _ = repository.save_blob(raw, "tree")
    repository.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ((_, branches),) = walk(repository.read_trees, [tree])
    assert isinstance(branches, LogbookDamaged)
    assert what in branches.message
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < ENOUGH_BYTES
    with pytest.raises(LogbookDamaged, match=what):
        repository.tree(tree)


def test_a_million_names_that_are_one(repository: Repository, target: Path) -> None:
    raw = b'{"nodes":[' + b",".join([b'{"name":"a","type":"file"}'] * 300_000) + b"]}\n"
    tree, _ = repository.save_blob(raw, "tree")
    repository.flush()
    with pytest.raises(Foreign, match="same name"):
        lay(repository, tree, target)


def test_folders_that_multiply(repository: Repository, target: Path) -> None:
    tree = tree_of(repository, file(repository))
    for _ in range(60):
        nodes = [Node(name=str(number), type="dir", mode=FOLDER, subtree=tree) for number in range(10)]
        tree = tree_of(repository, *nodes)
    with pytest.raises(Foreign, match="files and folders"):
        lay(repository, tree, target)


def thousands(repository: Repository, folders: int, files: int) -> str:
    """Save a tree of so many folders that are the same one: a few kB, whatever it comes to."""
    nodes = (Node(name=str(number), type="file", mode=FILE) for number in range(files))
    inner = tree_of(repository, *nodes)
    return tree_of(
        repository,
        *(Node(name=str(number), type="dir", mode=FOLDER, subtree=inner) for number in range(folders)),
    )


def test_a_million_files_where_three_were_said(repository: Repository, target: Path) -> None:
    tree = thousands(repository, 1_000, 1_000)
    assert plan(repository, tree).nodes == 1_001_000, "by themselves they may be"
    with pytest.raises(Foreign, match="1000000 files, and its entry says 3"):
        lay(repository, tree, target, expected=(3, 3))


def test_as_many_as_may_be_and_one_more(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["vml_jupyter.snapshot.plan"], "MOST_NODES", 110)
    lay(repository, thousands(repository, 10, 10), tmp_path / "laid")
    assert len(list((tmp_path / "laid").rglob("*"))) == 110
    nodes = [Node(name="one more", type="file", mode=FILE), *repository.tree(thousands(repository, 10, 10))]
    with pytest.raises(Foreign, match="111 files and folders"):
        lay(repository, tree_of(repository, *nodes), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_ten_million_and_one(repository: Repository, target: Path) -> None:
    tree = thousands(repository, 1_000, 9_999)
    assert plan(repository, tree).nodes == 10_000_000
    top = tree_of(repository, Node(name="d", type="dir", mode=FOLDER, subtree=tree))
    with pytest.raises(Foreign, match="10000001 files and folders"):
        lay(repository, top, target)
