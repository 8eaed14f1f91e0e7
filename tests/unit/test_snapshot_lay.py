"""Lay: what was taken comes back, nothing is overwritten, nothing gets out, nothing is left half-made."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ordinary import ordinary_user

from vml_jupyter.errors import (
    BadArea,
    Cancelled,
    DiskFull,
    Foreign,
    HostError,
    LogbookDamaged,
    WouldOverwrite,
)
from vml_jupyter.progress import Silent
from vml_jupyter.repository import Node, Repository, memory_store
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.snapshot import Laid, lay, place, take
from vml_jupyter.snapshot.batch import Meta
from vml_jupyter.snapshot.descriptor import DEEPEST

FOLDER = from_stat(0o040755)
FILE = from_stat(0o100644)


@pytest.fixture(scope="module", params=["threads", "processes"])
def repository(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    """A repository that is restored by threads, or by processes however little there is."""
    store = str(tmp_path_factory.mktemp("repo")) if request.param == "processes" else memory_store()
    repository = Repository.create(store, "password", scrypt_n=1024)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["vml_jupyter.snapshot.lay"], "_MUCH_FILES", 0)
        yield repository
    repository.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """A place to lay something; whatever happens, nothing but the target itself may appear beside it."""
    parent = tmp_path / "parent"
    parent.mkdir()
    yield parent / "target"
    assert {path.name for path in parent.iterdir()} <= {"target"}


NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda name: not {0, 0x2F} & set(name) and name not in (b".", b"..", b".vmlignore") and b".py" not in name
)
FILES = st.tuples(
    st.binary(max_size=200) | st.just(700_000).map(bytes),
    st.integers(0, 0o777).map(lambda mode: mode if os.geteuid() == 0 else mode | 0o400),
    st.integers(0, 2**31 * 10**9),
)
LINKS = st.binary(min_size=1, max_size=50).filter(lambda target: 0 not in target)
TREES: Any = st.recursive(
    st.dictionaries(NAMES, FILES | LINKS, max_size=4),
    lambda inner: st.dictionaries(NAMES, FILES | LINKS | inner, max_size=4),
    max_leaves=12,
)


def build(folder: bytes, content: dict[bytes, Any]) -> None:
    os.mkdir(folder)
    for name, what in content.items():
        path = folder + b"/" + name
        if isinstance(what, dict):
            build(path, what)
        elif isinstance(what, bytes):
            os.symlink(what, path)
        else:
            data, mode, mtime_ns = what
            with open(path, "wb") as file:
                file.write(data)
            os.chmod(path, mode)
            os.utime(path, ns=(mtime_ns, mtime_ns))


def seen(folder: bytes) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {}
    for entry in os.scandir(folder):
        if entry.is_symlink():
            found[entry.name] = os.readlink(entry.path)
        elif entry.is_dir():
            found[entry.name] = seen(entry.path)
        else:
            status = entry.stat()
            with open(entry.path, "rb") as file:
                found[entry.name] = (file.read(), stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    return found


@given(TREES)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_taken_comes_back(repository: Repository, content: dict[bytes, Any]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        build(os.fsencode(folder / "area"), content)
        taken = take(repository, folder / "area")
        assert taken.unreadable == []
        lay(repository, taken.tree, folder / "laid")
        assert seen(os.fsencode(folder / "laid")) == content
        again = take(repository, folder / "laid")
        assert again.bytes == taken.bytes
    finally:
        shutil.rmtree(folder)


def test_folders_keep_modes_and_times(repository: Repository, tmp_path: Path, target: Path) -> None:
    area = tmp_path / "area"
    (area / "sub" / "closed").mkdir(parents=True)
    (area / "sub" / "closed" / "file").touch()
    (area / "sub" / "closed").chmod(0o2550)
    os.utime(area / "sub" / "closed", ns=(5, 5))
    os.utime(area / "sub", ns=(7, 7))
    lay(repository, take(repository, area).tree, target)
    assert stat.S_IMODE((target / "sub" / "closed").stat().st_mode) == 0o2550
    assert (target / "sub" / "closed").stat().st_mtime_ns == 5
    assert (target / "sub").stat().st_mtime_ns == 7


def test_hard_links_are_hard_links_again(repository: Repository, tmp_path: Path, target: Path) -> None:
    area = tmp_path / "area"
    (area / "sub").mkdir(parents=True)
    (area / "one").write_text("1")
    os.link(area / "one", area / "sub" / "other")
    laid = lay(repository, take(repository, area).tree, target)
    assert (target / "one").stat().st_ino == (target / "sub" / "other").stat().st_ino
    assert laid == Laid(files=2, bytes=2)


def test_a_sparse_file_stays_sparse(repository: Repository, tmp_path: Path, target: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    with (area / "sparse").open("wb") as file:
        file.seek(50 << 20)
        file.write(b"end")
    lay(repository, take(repository, area).tree, target)
    status = (target / "sparse").stat()
    assert status.st_size == (50 << 20) + 3
    assert status.st_blocks * 512 < 20 << 20


def test_into_an_empty_folder(repository: Repository, target: Path) -> None:
    target.mkdir()
    lay(repository, tree_of(repository, file(repository, "a")), target)
    assert (target / "a").read_text() == "content"


def test_missing_folders_above_are_made(repository: Repository, target: Path) -> None:
    lay(repository, tree_of(repository, file(repository, "a")), target / "deep" / "er")
    assert (target / "deep" / "er" / "a").exists()


@pytest.mark.parametrize("what", ["file", "filled", "link"])
def test_nothing_is_overwritten(repository: Repository, target: Path, tmp_path: Path, what: str) -> None:
    if what == "file":
        target.write_text("mine")
    elif what == "filled":
        target.mkdir()
        (target / "mine").touch()
    else:
        target.symlink_to(tmp_path)
    with pytest.raises(WouldOverwrite) as caught:
        lay(repository, tree_of(repository, file(repository, "a")), target)
    assert caught.value.hint


def file(repository: Repository, name: str, **rest: Any) -> Node:
    rest = {"content": [repository.save_blob(b"content")[0]], "size": 7, "mode": FILE, **rest}
    return Node(name=name, type="file", **rest)


def tree_of(repository: Repository, *nodes: Node) -> str:
    tree = repository.save_tree(nodes)
    repository.flush()
    return tree


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "/etc/x", "../x", "a\\x00b", "\\x2fx", "..\\x2fx", "\\q"]
)
def test_names_that_are_no_names(repository: Repository, target: Path, name: str) -> None:
    outer = [
        file(repository, name),
        Node(name=name, type="dir", mode=FOLDER, subtree=tree_of(repository)),
        Node(name=name, type="symlink", linktarget="x"),
    ]
    for node in outer:
        with pytest.raises(Foreign):
            lay(repository, tree_of_as_given(repository, node), target)
        inner = Node(name="sub", type="dir", mode=FOLDER, subtree=tree_of_as_given(repository, node))
        with pytest.raises(Foreign):
            lay(repository, tree_of(repository, inner), target)


def tree_of_as_given(repository: Repository, *nodes: Node) -> str:
    """Save a tree as somebody would who does not go by the rules."""
    tree, _ = repository.save_blob(b'{"nodes":' + msgspec.json.encode(nodes) + b"}\n", "tree")
    repository.flush()
    return tree


def test_a_link_and_a_folder_of_the_same_name(repository: Repository, target: Path, tmp_path: Path) -> None:
    inside = tree_of(repository, file(repository, "planted"))
    nodes = [
        Node(name="x", type="symlink", linktarget=str(tmp_path)),
        Node(name="x", type="dir", mode=FOLDER, subtree=inside),
    ]
    for order in (nodes, nodes[::-1]):
        with pytest.raises(Foreign):
            lay(repository, tree_of_as_given(repository, *order), target)
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    "node",
    [
        Node(name="x", type="symlink", linktarget=""),
        Node(name="x", type="symlink", linktarget="a\0b"),
        Node(name="x", type="dir"),
        Node(name="x", type="door"),
        Node(name="x", type="fifo", mtime="never"),
    ],
)
def test_nodes_that_make_no_sense(repository: Repository, target: Path, node: Node) -> None:
    with pytest.raises(Foreign):
        lay(repository, tree_of(repository, node), target)


def test_a_claimed_hard_link_with_other_content(repository: Repository, target: Path) -> None:
    """Two nodes may claim one inode; each still gets what it says."""
    other = repository.save_blob(b"other")[0]
    tree = tree_of(
        repository,
        file(repository, "a", inode=1, device_id=1, links=2),
        file(repository, "b", inode=1, device_id=1, links=2, content=[other]),
    )
    lay(repository, tree, target)
    assert ((target / "a").read_text(), (target / "b").read_text()) == ("content", "other")


class Listener(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def privileged(repository: Repository) -> str:
    """Return a tree of what only root may make."""
    return tree_of(
        repository,
        Node(name="disk", type="dev", mode=from_stat(0o060666), device=0x800, uid=1, gid=2),
        file(repository, "suid", mode=from_stat(0o106755), uid=12345, gid=12346),
        Node(name="talk", type="socket"),
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make devices; the next test is for others")
def test_root_restores_devices_owners_and_set_user_id(repository: Repository, target: Path) -> None:
    listener = Listener()
    lay(repository, privileged(repository), target, listener)
    suid = (target / "suid").stat()
    assert (suid.st_uid, suid.st_gid, stat.S_IMODE(suid.st_mode)) == (12345, 12346, 0o6755)
    disk = (target / "disk").stat()
    assert (disk.st_rdev, stat.S_IMODE(disk.st_mode), disk.st_uid) == (0x800, 0o666, 1)
    assert listener.notes == ["1 sockets are in the snapshot and were not made"]


def test_others_restore_what_is_theirs_and_are_told(tmp_path: Path) -> None:
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    tree = privileged(repository)
    listener = Listener()
    with ordinary_user(tmp_path) as user:
        lay(repository, tree, tmp_path / "target", listener)
    repository.close()
    suid = (tmp_path / "target" / "suid").stat()
    assert (suid.st_uid, stat.S_IMODE(suid.st_mode)) == (user, 0o755)
    assert os.listdir(tmp_path / "target") == ["suid"]
    assert [note[:9] for note in listener.notes] == ["1 devices", "1 files w", "1 sockets"]


def test_a_bomb_is_refused_before_it_goes_off(repository: Repository, target: Path) -> None:
    """Forty levels of ten times the level below are 10^40 files; it takes no time to see that."""
    tree = tree_of(repository, file(repository, "a"))
    for _ in range(40):
        nodes = [Node(name=str(number), type="dir", mode=FOLDER, subtree=tree) for number in range(10)]
        tree = tree_of(repository, *nodes)
    with pytest.raises(Foreign):
        lay(repository, tree, target)


def test_a_shaft_is_refused(repository: Repository, target: Path) -> None:
    tree = repository.save_tree([])
    for _ in range(DEEPEST + 1):
        tree = repository.save_tree([Node(name="d", type="dir", mode=FOLDER, subtree=tree)])
    repository.flush()
    with pytest.raises(Foreign):
        lay(repository, tree, target)


def test_missing_content_leaves_nothing_behind(repository: Repository, target: Path) -> None:
    with pytest.raises(LogbookDamaged):
        lay(repository, tree_of(repository, file(repository, "a", content=["0" * 64])), target)
    assert not target.exists()


def test_a_failure_on_the_way_leaves_nothing_behind(
    repository: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Node(
        name="closed",
        type="dir",
        mode=from_stat(0o040000),
        subtree=tree_of(repository, file(repository, "x")),
    )
    outer = Node(name="outer", type="dir", mode=FOLDER, subtree=tree_of(repository, closed))
    finish = place.Places.finish

    def breaking(self: place.Places, folder: int, name: bytes, meta: Meta, *, is_folder: bool) -> None:
        if name == b"outer":
            raise OSError(5, "Input/output error")
        finish(self, folder, name, meta, is_folder=is_folder)

    monkeypatch.setattr(place.Places, "finish", breaking)
    with pytest.raises(BadArea):
        lay(repository, tree_of(repository, outer), target)
    assert not target.exists()


def test_cancelling_leaves_nothing_behind(repository: Repository, target: Path) -> None:
    class Impatient(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        lay(repository, tree_of(repository, file(repository, "a")), target, Impatient())
    assert not target.exists()


def test_cancelling_far_down_leaves_nothing_behind(repository: Repository, target: Path) -> None:
    class Impatient(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            if done:
                raise Cancelled

    tree = repository.save_tree([file(repository, "a")])
    for _ in range(1500):
        tree = repository.save_tree(
            [Node(name="d" * 20, type="dir", mode=from_stat(0o040000), subtree=tree), file(repository, "b")]
        )
    repository.flush()
    with pytest.raises(Cancelled):
        lay(repository, tree, target, Impatient())


def test_a_small_disk(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        content = [repository.save_blob(os.urandom(1 << 20))[0] for _ in range(2)]
        tree = tree_of(repository, file(repository, "a", content=content))
        with pytest.raises(DiskFull) as caught:
            lay(repository, tree, disk / "target")
        assert caught.value.hint
        monkeypatch.setattr(sys.modules["vml_jupyter.snapshot.lay"], "require_room", lambda *_: None)
        with pytest.raises(DiskFull):
            lay(repository, tree, disk / "target")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


class TestProcesses:
    """What can go wrong with processes that write, and threads cannot do."""

    @pytest.fixture
    def local(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
        monkeypatch.setattr(sys.modules["vml_jupyter.snapshot.lay"], "_MUCH_FILES", 0)
        repository = Repository.create(str(tmp_path / "repo"), "password", scrypt_n=1024)
        self.others = set(children())
        yield repository
        repository.close()
        assert set(children()) <= self.others, "every process has ended"

    def test_large_files_in_parts(self, local: Repository, tmp_path: Path, target: Path) -> None:
        (tmp_path / "area").mkdir()
        for number in range(10):
            (tmp_path / "area" / f"large{number}").write_bytes(os.urandom(1 << 20) * (number + 1))
        lay(local, take(local, tmp_path / "area").tree, target)
        assert seen(os.fsencode(target)) == seen(os.fsencode(tmp_path / "area"))

    def test_a_module_in_the_current_folder_is_not_run(
        self, local: Repository, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever restores stands in a working area, where a notebook's own ``struct.py`` may lie."""
        monkeypatch.chdir(tmp_path)
        for name in ("struct", "msgspec", "sitecustomize", "usercustomize"):
            (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w')")
        many = [file(local, str(number)) for number in range(10)]
        lay(local, tree_of(local, *many), target)
        assert len(os.listdir(target)) == 10
        assert not (tmp_path / "was run").exists()

    def test_none_can_be_started(
        self, local: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = tree_of(local, file(local, "a"))
        monkeypatch.setattr(sys, "executable", "/no/such/python")
        lay(local, tree, target)
        assert (target / "a").read_text() == "content"

    def test_one_dies(self, local: Repository, target: Path) -> None:
        others = self.others

        class Killer(Silent):
            def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
                for pid in set(children()) - others:
                    os.kill(pid, signal.SIGKILL)

        with pytest.raises(HostError) as caught:
            lay(
                local, tree_of(local, *(file(local, str(number)) for number in range(1000))), target, Killer()
            )
        assert caught.value.hint
        assert not target.exists()

    def test_what_is_damaged_is_named(self, local: Repository, tmp_path: Path, target: Path) -> None:
        """The processes only say that they cannot; which blob it is, and why, is found out here."""
        tree = tree_of(local, file(local, "a"))
        again = Repository.open(str(tmp_path / "repo"), "password")
        assert again.has_blob(tree, "tree")
        place = again.place(again.tree(tree)[0].content[0])  # type: ignore[index]
        pack = tmp_path / "repo" / "data" / place[0][:2] / place[0]
        damaged = bytearray(pack.read_bytes())
        damaged[place[1].offset + 20] ^= 1
        pack.write_bytes(damaged)
        with pytest.raises(LogbookDamaged, match=place[1].id[:12]):
            lay(again, tree, target)
        pack.unlink()
        with pytest.raises(LogbookDamaged, match="missing"):
            lay(again, tree, target)
        again.close()


def children() -> list[int]:
    """Return the processes that this one started and that did not end yet."""
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def test_a_place_that_cannot_be_written(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadArea):
        lay(repository, tree_of(repository, file(repository, "a")), tmp_path / "file" / "target")
