"""What changed in an overlay, taken over the tree below it, is what a snapshot of the whole would be."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st
from overlay_scene import DEVICE, Scene, overlaid

from vml_jupyter.errors import LimitReached
from vml_jupyter.guest import teller
from vml_jupyter.repository import Node, Repository, memory_store
from vml_jupyter.snapshot import Taken, take
from vml_jupyter.snapshot.layered import count
from vml_jupyter.snapshot.told import Limits

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay")

# What a machine's overlay cannot say as the folder on its host would: numbers of the disk, not content.
OF_THE_DISK = {"inode": 0, "device_id": 0, "ctime": "", "links": 0}


@pytest.fixture
def scene(repository: Repository, tmp_path: Path) -> Iterator[Scene]:
    lower = tmp_path / "lower"
    (lower / "data" / "deep").mkdir(parents=True)
    (lower / "kept" / "deep").mkdir(parents=True)
    (lower / "a.txt").write_text("a")
    (lower / "data" / "b.txt").write_text("b" * 1000)
    (lower / "data" / "deep" / "c.txt").write_text("c")
    (lower / "kept" / "deep" / "d.txt").write_text("d")
    (lower / "large.bin").write_bytes(os.urandom(6 << 20))
    with overlaid(repository, tmp_path) as scene:
        yield scene


def contents(repository: Repository, tree: str) -> dict[bytes, Node]:
    """Return all nodes below a tree by path, without what belongs to a disk."""
    found: dict[bytes, Node] = {}
    waiting = [(b"", tree)]
    while waiting:
        path, at = waiting.pop()
        for node in repository.tree(at):
            inner = path + b"/" + node.name_bytes
            if node.subtree:
                waiting.append((inner, node.subtree))
            found[inner] = msgspec.structs.replace(node, **OF_THE_DISK, subtree=None)
    return found


def assert_as_plain(scene: Scene, taken: Taken) -> None:
    plain = take(scene.repository, scene.area)
    assert contents(scene.repository, taken.tree) == contents(scene.repository, plain.tree)
    assert (taken.files, taken.bytes) == (plain.files, plain.bytes)
    assert (taken.files, taken.bytes) == count(scene.repository, taken.tree)


def node_of(scene: Scene, tree: str, path: str) -> Node:
    at, node = tree, None
    for part in path.split("/"):
        node = next(node for node in scene.repository.tree(at) if node.name == part)
        at = node.subtree or ""
    assert node is not None
    return node


def test_without_changes_the_tree_is_the_same(scene: Scene) -> None:
    taken = scene.captured()
    assert (taken.tree, taken.new_bytes) == (scene.base.tree, 0)
    assert (taken.files, taken.bytes) == (scene.base.files, scene.base.bytes)


def test_all_kinds_of_changes(scene: Scene) -> None:
    area = scene.area
    (area / "new.txt").write_text("new")
    (area / "data" / "b.txt").unlink()
    shutil.rmtree(area / "data" / "deep")
    (area / "data" / "deep").mkdir()
    (area / "data" / "deep" / "other.txt").write_text("made anew, so c.txt is gone")
    (area / "link").symlink_to("a.txt")
    os.mkfifo(area / "pipe")
    (area / "a.txt").chmod(0o600)
    os.utime(area / "a.txt", ns=(1, 1_600_000_000_123_456_789))
    (area / os.fsdecode(b"caf\xe9")).write_text("not UTF-8")
    (area / "empty").touch()
    os.setxattr(area / "new.txt", "user.origin", b"CERN")
    assert_as_plain(scene, scene.captured())


def test_attributes_that_are_not_told_are_counted_and_said(scene: Scene) -> None:
    names_users = struct.pack(
        "<IHHIHHIHHIHHIHHI", 2, *(1, 6, 0), *(2, 4, 7), *(4, 4, 0), *(16, 6, 0), *(32, 4, 0)
    )
    (scene.area / "a.txt").write_text("changed, for one more person to read")
    os.setxattr(scene.area / "a.txt", "system.posix_acl_access", names_users)
    (scene.area / "new").mkdir()
    os.setxattr(scene.area / "new", "system.posix_acl_default", names_users)
    (scene.area / "new" / "plain.txt").write_text("heeds no list")
    os.removexattr(scene.area / "new" / "plain.txt", "system.posix_acl_access")
    taken = scene.captured()
    assert taken.unreadable == [
        "a.txt: its access list, which names users of the machine",
        "new: its access list, which names users of the machine",
    ]
    assert node_of(scene, taken.tree, "a.txt").size == (scene.area / "a.txt").stat().st_size
    assert node_of(scene, taken.tree, "a.txt").extended_attributes is None
    assert node_of(scene, taken.tree, "new/plain.txt").size == len("heeds no list")


def test_more_attributes_than_a_machine_tells_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "ATTRIBUTES_BYTES", 5)
    file = tmp_path / "file"
    file.touch()
    os.setxattr(file, "user.a", b"1234")
    os.setxattr(file, "user.b", b"56")
    assert teller.attributes_of(os.fsencode(file)) == (
        {"user.a": "MTIzNA=="},
        "its attribute user.b: there are more than 5 bytes of them",
    )


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_one_kind_becomes_another(scene: Scene, kind: str) -> None:
    for name in ("data", "a.txt", "large.bin"):
        path = scene.area / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        if kind == "file":
            path.write_text("a file")
        elif kind == "folder":
            (path / "in").mkdir(parents=True)
            (path / "in" / "it").write_text("x")
        else:
            path.symlink_to("elsewhere")
    assert_as_plain(scene, scene.captured())


def test_a_folder_that_was_moved(scene: Scene) -> None:
    shutil.move(scene.area / "data", scene.area / "moved")
    assert_as_plain(scene, scene.captured())


def test_what_is_not_told_of_keeps_its_tree(scene: Scene) -> None:
    (scene.area / "a.txt").write_text("changed")
    taken = scene.captured()
    assert node_of(scene, taken.tree, "kept") == node_of(scene, scene.base.tree, "kept")
    assert node_of(scene, taken.tree, "data") == node_of(scene, scene.base.tree, "data")


def test_unchanged_files_are_never_read(
    scene: Scene, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    blob = Repository.blob
    monkeypatch.setattr(Repository, "blob", lambda self, id: (read.append(id), blob(self, id))[1])
    (scene.area / "kept" / "new.bin").write_bytes(os.urandom(1 << 20))
    sent = 0
    with scene.telling() as changes:
        receive = changes._frame

        def counted() -> tuple[bytes, bytes]:
            nonlocal sent
            kind, payload = receive()
            sent += len(payload)
            return kind, payload

        changes._frame = counted  # type: ignore[method-assign]
        taken = scene.laid(changes)
    assert 1 << 20 <= sent < (1 << 20) + 4096
    assert read == []
    assert taken.files == scene.base.files + 1


def test_of_a_file_that_grew_only_the_end_is_sent(scene: Scene) -> None:
    with (scene.area / "large.bin").open("ab") as file:
        file.write(b"more")
    with scene.telling() as changes:
        changes.folders()
    taken = scene.captured()
    before, after = (
        node_of(scene, tree, "large.bin").content or [] for tree in (scene.base.tree, taken.tree)
    )
    assert len(before) > 2
    assert after[: len(before) - 1] == before[:-1]
    assert_as_plain(scene, taken)


def test_a_second_capture_reads_what_changed_since(scene: Scene) -> None:
    (scene.area / "data" / "big.bin").write_bytes(os.urandom(2 << 20))
    first = scene.captured()
    (scene.area / "data" / "small.txt").write_text("small")
    with scene.telling() as changes:
        wished: list[bytes] = []
        read = changes.read
        changes.read = lambda wishes: (wished.extend(wish.path for wish in wishes), read(wishes))[1]  # type: ignore[method-assign]
        second = scene.laid(changes, first.tree)
    assert wished == [b"data/small.txt"]
    assert_as_plain(scene, second)
    assert node_of(scene, second.tree, "data/big.bin") == node_of(scene, first.tree, "data/big.bin")


def test_hard_links_of_a_machine_are_no_links_of_other_disks(scene: Scene) -> None:
    (scene.area / "one").write_text("twice")
    os.link(scene.area / "one", scene.area / "two")
    taken = scene.captured()
    one, two = (node_of(scene, taken.tree, name) for name in ("one", "two"))
    assert (one.inode, one.device_id, one.links) == (two.inode, DEVICE, 2)
    assert one.content == two.content


def test_what_a_machine_must_not_give(scene: Scene) -> None:
    script = scene.area / "tool"
    script.write_text("#!/bin/sh\n")
    os.chown(script, 12345, 12345)
    script.chmod(0o6755)
    subprocess.run(["mknod", scene.area / "disk", "b", "8", "0"], check=True)
    taken = scene.captured()
    node = node_of(scene, taken.tree, "tool")
    assert (node.uid, node.user, node.st_mode & 0o7777) == (os.geteuid(), "root", 0o755)
    assert all(node.name != "disk" for node in scene.repository.tree(taken.tree))


def test_rules_of_the_area_hold_and_may_be_written_in_the_machine(scene: Scene) -> None:
    (scene.area / ".vmlignore").write_text("*.tmp\n/scratch/\n")
    (scene.area / "scratch" / "deep").mkdir(parents=True)
    (scene.area / "scratch" / "deep" / "x").write_text("x")
    (scene.area / "data" / "y.tmp").write_text("y")
    (scene.area / ".ipynb_checkpoints").mkdir()
    (scene.area / ".ipynb_checkpoints" / "z").write_text("z")
    assert_as_plain(scene, scene.captured())


def test_without_an_overlay_all_is_told_and_what_looks_the_same_is_not_read(scene: Scene) -> None:
    copy = scene.folder / "copy"
    subprocess.run(["cp", "-a", f"{scene.area}/.", copy], check=True)
    (copy / "a.txt").write_text("changed")
    (copy / "data" / "b.txt").unlink()
    subprocess.run(["mount", "--bind", copy, scene.area], check=True)
    try:
        with scene.telling(walk=True) as changes:
            wished: list[bytes] = []
            read = changes.read
            changes.read = lambda wishes: (wished.extend(wish.path for wish in wishes), read(wishes))[1]  # type: ignore[method-assign]
            taken = scene.laid(changes)
        assert wished == [b"a.txt"]
        plain = take(scene.repository, scene.area)
        assert set(contents(scene.repository, taken.tree)) == set(contents(scene.repository, plain.tree))
        assert (taken.files, taken.bytes) == (plain.files, plain.bytes)
    finally:
        subprocess.run(["umount", scene.area], check=True)


def test_an_overlay_that_renames_folders_is_told_as_a_whole(scene: Scene) -> None:
    (scene.area / "a.txt").write_text("changed")
    os.setxattr(scene.upper / "a.txt", "trusted.overlay.metacopy", b"")
    with scene.telling() as changes:
        assert changes.how == "upper"
        told = changes.folders()
        assert changes.how == "walk"
        assert set(told) == {b"", b"data", b"data/deep", b"kept", b"kept/deep"}


def test_more_than_is_allowed_is_refused(scene: Scene) -> None:
    (scene.area / "big.bin").write_bytes(b"x" * 3_000_000)
    scene.limits = Limits(size_bytes=2 << 20)
    with pytest.raises(LimitReached, match="2 MiB are to be read out of the machine, and 2 are allowed"):
        scene.captured()
    scene.limits = Limits(things=3)
    for number in range(5):
        (scene.area / f"{number}").touch()
    with pytest.raises(LimitReached, match="more than 3 changed files"):
        scene.captured()


# --- any changes

NAMES = st.sampled_from(["a", "b", "c", "d"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), PATHS, st.binary(max_size=20)),
        st.tuples(st.just("append"), PATHS, st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("remove"), PATHS, st.none()),
        st.tuples(st.just("folder"), PATHS, st.none()),
        st.tuples(st.just("link"), PATHS, PATHS),
        st.tuples(st.just("hard"), PATHS, PATHS),
        st.tuples(st.just("move"), PATHS, PATHS),
        st.tuples(st.just("mode"), PATHS, st.sampled_from([0o600, 0o644, 0o755])),
        st.tuples(st.just("time"), PATHS, st.integers(0, 2_000_000_000)),
        st.tuples(st.just("attribute"), PATHS, st.binary(max_size=5)),
    ),
    max_size=12,
)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def remove(path: Path, _: None) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


VERBS: dict[str, Callable[..., object]] = {
    "write": write,
    "append": append,
    "remove": remove,
    "folder": lambda path, _: path.mkdir(parents=True),
    "link": lambda path, target: path.symlink_to(target),
    "hard": lambda path, other: os.link(path.parent / other, path, follow_symlinks=False),
    "move": lambda path, to: shutil.move(path, path.parent / to),
    "mode": lambda path, mode: path.chmod(mode),
    "time": lambda path, seconds: os.utime(path, ns=(0, seconds * 1_000_000_000)),
    "attribute": lambda path, value: os.setxattr(path, "user.vml", value),
}


def do(root: Path, step: tuple[str, str, object]) -> None:
    """Do one thing in a folder; where it cannot be done, nothing happens."""
    verb, name, what = step
    with suppress(OSError, shutil.Error):
        VERBS[verb](root / name, what)


@hypothesis.settings(max_examples=60)
@hypothesis.given(before=STEPS, first=STEPS, second=STEPS)
def test_any_changes_give_what_a_snapshot_of_the_whole_gives(before, first, second) -> None:  # type: ignore[no-untyped-def]
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    with tempfile.TemporaryDirectory() as folder:
        lower = Path(folder, "lower")
        lower.mkdir()
        for step in before:
            do(lower, step)
        with overlaid(repository, Path(folder)) as scene:
            known = None
            for steps in (first, second):
                for step in steps:
                    do(scene.area, step)
                taken = scene.captured(known)
                assert_as_plain(scene, taken)
                known = taken.tree
    repository.close()
