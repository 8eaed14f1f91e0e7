"""Take: what goes into a snapshot, what is said about it, and what is not read again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ordinary import ordinary_user

from vml_jupyter.errors import BadArea, Cancelled
from vml_jupyter.progress import Silent
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.snapshot import Survey, Taken, content, descriptor, lay, survey, take
from vml_jupyter.snapshot.plan import plan


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    (area / "sub").mkdir(parents=True)
    (area / "a.txt").write_text("a")
    (area / "sub" / "b.txt").write_text("b" * 1000)
    return area


def nodes(repository: Repository, taken: Taken) -> dict[str, Node]:
    return {node.name: node for node in repository.tree(taken.tree)}


def test_files_and_bytes_are_counted(repository: Repository, area: Path) -> None:
    taken = take(repository, area)
    assert (taken.files, taken.bytes, taken.unreadable) == (2, 1001, [])
    assert taken.new_bytes > 0
    assert survey(area) == Survey(files=2, bytes=1001, ignored=0)


def test_a_node_says_what_stat_says(repository: Repository, area: Path) -> None:
    os.utime(area / "a.txt", ns=(1, 1_600_000_000_123_456_789))
    status = (area / "a.txt").stat()
    node = nodes(repository, take(repository, area))["a.txt"]
    assert node.mtime == "2020-09-13T12:26:40.123456789Z" == node.atime
    assert (node.size, node.inode, node.links, node.uid) == (1, status.st_ino, 1, status.st_uid)
    assert node.st_mode == status.st_mode


def test_an_empty_area(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    taken = take(repository, tmp_path / "empty")
    assert repository.tree(taken.tree) == ()


@pytest.mark.parametrize("what", ["missing", "file", "loop"])
def test_what_is_no_area(repository: Repository, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    for function in (lambda path: take(repository, path), survey):
        with pytest.raises(BadArea) as caught:
            function(tmp_path / what)
        assert caught.value.hint


def test_special_files_are_described_and_not_opened(repository: Repository, area: Path) -> None:
    os.mkfifo(area / "pipe")
    (area / "link").symlink_to("/etc/passwd")
    os.symlink(b"caf\xe9", os.fsencode(area) + b"/raw")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(area / "socket"))
    taken = take(repository, area)
    listener.close()
    found = nodes(repository, taken)
    assert found["pipe"].type == "fifo"
    assert (found["link"].type, found["link"].linktarget) == ("symlink", "/etc/passwd")
    assert found["raw"].target_bytes == b"caf\xe9"
    assert "socket" not in found
    assert taken.files == 2


def test_a_link_to_a_folder_is_not_followed(repository: Repository, area: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").touch()
    (area / "way out").symlink_to(tmp_path / "outside")
    assert nodes(repository, take(repository, area))["way out"].type == "symlink"


def test_an_area_reached_through_a_link(repository: Repository, area: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(area)
    assert take(repository, tmp_path / "alias").files == 2


def test_hard_links_are_marked(repository: Repository, area: Path) -> None:
    os.link(area / "a.txt", area / "same")
    found = nodes(repository, take(repository, area))
    one, other = found["a.txt"], found["same"]
    assert (one.inode, one.device_id, one.links) == (other.inode, other.device_id, 2)
    assert one.device_id == area.stat().st_dev


def test_extended_attributes(repository: Repository, area: Path, tmp_path: Path) -> None:
    try:
        os.setxattr(area / "a.txt", "user.origin", b"run \xff 7")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    taken = take(repository, area)
    lay(repository, taken.tree, tmp_path / "laid")
    assert os.getxattr(tmp_path / "laid" / "a.txt", "user.origin") == b"run \xff 7"


@pytest.mark.parametrize("size", [512 << 10, (512 << 10) + 1, 20 << 20])
def test_large_files(repository: Repository, area: Path, tmp_path: Path, size: int) -> None:
    large = os.urandom(size)
    (area / "large").write_bytes(large)
    taken = take(repository, area)
    ids = nodes(repository, taken)["large"].content or []
    assert b"".join(map(repository.blob, ids)) == large
    (area / "large").write_bytes(b"one byte more at the front" + large)
    changed = nodes(repository, take(repository, area))["large"].content or []
    assert len(set(changed) - set(ids)) <= 2, "only the piece that changed is new"


class TestUnchanged:
    """Taken again with the parent's tree, nothing is read that did not change."""

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The names of files that are opened from here on."""
        names: list[str] = []
        read = content._read
        monkeypatch.setattr(
            content,
            "_read",
            lambda repo, folder, item, pool: (names.append(item.name), read(repo, folder, item, pool))[1],
        )
        return names

    def test_nothing_changed(self, repository: Repository, area: Path, opened: list[str]) -> None:
        first = take(repository, area)
        opened.clear()
        again = take(repository, area, parent_tree=first.tree)
        assert (again.tree, again.files, again.bytes, again.new_bytes) == (first.tree, 2, 1001, 0)
        assert opened == []

    def test_content_changed(self, repository: Repository, area: Path, opened: list[str]) -> None:
        first = take(repository, area)
        opened.clear()
        status = (area / "sub" / "b.txt").stat()
        (area / "sub" / "b.txt").write_text("B" * 1000)
        os.utime(area / "sub" / "b.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
        again = take(repository, area, parent_tree=first.tree)
        assert opened == ["b.txt"], "same size and mtime, but not the same ctime"
        assert again.tree != first.tree

    def test_mode_changed(self, repository: Repository, area: Path, opened: list[str]) -> None:
        first = take(repository, area)
        (area / "a.txt").chmod(0o600)
        again = take(repository, area, parent_tree=first.tree)
        assert nodes(repository, again)["a.txt"].st_mode & 0o777 == 0o600

    def test_removed_and_added(self, repository: Repository, area: Path, opened: list[str]) -> None:
        first = take(repository, area)
        opened.clear()
        (area / "a.txt").unlink()
        (area / "c.txt").write_text("c")
        again = take(repository, area, parent_tree=first.tree)
        assert opened == ["c.txt"]
        assert sorted(nodes(repository, again)) == ["c.txt", "sub"]

    def test_a_parent_that_is_lost_costs_time_only(self, repository: Repository, area: Path) -> None:
        taken = take(repository, area, parent_tree="0" * 64)
        assert taken.files == 2

    def test_a_change_right_after_is_seen(self, repository: Repository, area: Path) -> None:
        """The kernel's clock for files is coarse: two writes at once may get the same time."""
        for number in range(5):
            (area / "a.txt").write_text(str(number))
            before = take(repository, area)
            (area / "a.txt").write_text(str(number + 5))
            assert take(repository, area, parent_tree=before.tree).tree != before.tree


def test_a_file_that_changes_while_it_is_read_is_read_again(
    repository: Repository, area: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pread = os.pread

    def disturbed(descriptor: int, size: int, offset: int) -> bytes:
        data = pread(descriptor, size, offset)
        if data == b"a":
            (area / "a.txt").write_text("after")
        return data

    monkeypatch.setattr(content.os, "pread", disturbed)
    taken = take(repository, area)
    (id,) = nodes(repository, taken)["a.txt"].content or []
    assert repository.blob(id) == b"after"


class Listener(Silent):
    """Keeps what it is told; cancels once it has heard enough."""

    def __init__(self, patience: float = float("inf")) -> None:
        self.notes: list[str] = []
        self.done: list[int] = []
        self._patience = patience

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self.done.append(done)
        if len(self.done) > self._patience:
            raise Cancelled


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_a_file_that_never_rests_is_kept_and_said_to_change(
    repository: Repository, area: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    (area / "log").write_bytes(bytes(size))
    fstat = os.fstat

    def disturbed(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if status.st_size >= size and os.readlink(f"/proc/self/fd/{descriptor}").endswith("/log"):
            with (area / "log").open("ab") as log:
                log.write(b"more")
        return status

    monkeypatch.setattr(content.os, "fstat", disturbed)
    listener = Listener()
    taken = take(repository, area, listener)
    assert (taken.changing, taken.unreadable) == (["log"], [])
    assert listener.notes == ["log changed while it was read, three times over"]
    node = nodes(repository, taken)["log"]
    assert node.size == sum(map(repository.blob_size, node.content or []))


def test_cancelling_leaves_the_lock_free_and_the_next_one_works(repository: Repository, area: Path) -> None:
    for number in range(300):
        (area / f"file{number}").write_bytes(os.urandom(10_000))
    with pytest.raises(Cancelled):
        take(repository, area, Listener(patience=0))
    with repository.lock(exclusive=True):
        pass
    taken = take(repository, area)
    assert taken.files == 302
    assert repository.snapshots() == []


def test_progress_grows_to_the_whole(repository: Repository, area: Path) -> None:
    listener = Listener()
    taken = take(repository, area, listener, total_bytes=1001)
    assert listener.done == sorted(listener.done)
    assert listener.done[-1] == taken.bytes


@pytest.fixture
def nobodys(repository: Repository) -> Iterator[Path]:
    """An area seen by a user who may not read everything, even where the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "readable").write_text("x")
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0)
    (folder / "closed").mkdir(mode=0)
    with ordinary_user(folder):
        yield folder
    (folder / "closed").chmod(0o700)
    shutil.rmtree(folder)


def test_what_cannot_be_read_is_named_and_the_rest_is_taken(repository: Repository, nobodys: Path) -> None:
    taken = take(repository, nobodys)
    assert sorted(taken.unreadable) == ["closed/: Permission denied", "secret: Permission denied"]
    assert sorted(nodes(repository, taken)) == ["closed", "readable"]


@pytest.mark.parametrize("mounted", ["another", "the same"])
def test_what_is_mounted_is_entered_on_request_only(
    repository: Repository, area: Path, tmp_path: Path, mounted: str
) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    what = ["-t", "tmpfs", "tmpfs"] if mounted == "another" else ["--bind", str(tmp_path / "elsewhere")]
    command = ["mount", *what, str(area / "sub")]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        (area / "sub" / "far.txt").write_text("far")
        listener = Listener()
        taken = take(repository, area, listener)
        assert survey(area).files == taken.files == 1
        crossed = take(repository, area, cross_mounts=True)
        assert survey(area, cross_mounts=True).files == crossed.files == 2
    finally:
        subprocess.run(["umount", str(area / "sub")], check=True)
    assert repository.tree(str(nodes(repository, taken)["sub"].subtree)) == ()
    assert listener.notes == ["sub/ is another file system and is left empty"]
    assert "far.txt" in [
        node.name for node in repository.tree(str(nodes(repository, crossed)["sub"].subtree))
    ]


@contextmanager
def bound(source: Path, target: Path) -> Iterator[None]:
    """Mount a file on another one."""
    command = ["mount", "--bind", str(source), str(target)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize("origin", ["another file system", "the same", "itself"])
def test_a_file_that_is_mounted_is_taken_on_request_only(
    repository: Repository, area: Path, tmp_path: Path, origin: str
) -> None:
    """Each time is said what is left out, also where the folder is listed as it is remembered."""
    outside = {
        "another file system": Path("/dev/shm") / f"{tmp_path.parent.name}-{tmp_path.name}",
        "the same": tmp_path / "outside",
        "itself": area / "sub" / "b.txt",
    }[origin]
    if origin != "itself":
        outside.write_text("outside")
    states = tmp_path / "states"
    listener = Listener()
    before = take(repository, area, cache=states)
    try:
        with bound(outside, area / "sub" / "b.txt"):
            taken = take(repository, area, listener, before.tree, cache=states)
            again = take(repository, area, listener, taken.tree, cache=states)
            assert survey(area).files == taken.files == 1
            crossed = take(repository, area, cross_mounts=True)
            assert survey(area, cross_mounts=True).files == crossed.files == 2
    finally:
        if origin == "another file system":
            outside.unlink()
    after = take(repository, area, parent_tree=again.tree, cache=states)

    def sub(taken: Taken) -> dict[str, Node]:
        return {node.name: node for node in repository.tree(str(nodes(repository, taken)["sub"].subtree))}

    assert sub(taken) == sub(again) == {}
    assert listener.notes == ["sub/b.txt is mounted from elsewhere and is left out"] * 2
    assert sub(crossed)["b.txt"].size == (1000 if origin == "itself" else len("outside"))
    assert sub(after) == sub(before)


def test_rules_that_are_mounted_hold_and_are_not_taken(
    repository: Repository, area: Path, tmp_path: Path
) -> None:
    (area / "sub" / ".vmlignore").write_text("")
    (tmp_path / "rules").write_text("b.*\n")
    states = tmp_path / "states"
    before = take(repository, area, cache=states)
    with bound(tmp_path / "rules", area / "sub" / ".vmlignore"):
        taken = take(repository, area, parent_tree=before.tree, cache=states)
    after = take(repository, area, parent_tree=taken.tree, cache=states)
    names = [
        [node.name for node in repository.tree(str(nodes(repository, each)["sub"].subtree))]
        for each in (before, taken, after)
    ]
    assert names == [[".vmlignore", "b.txt"], [], [".vmlignore", "b.txt"]]


def test_a_mounted_file_that_a_rule_leaves_out_is_not_told_of(
    repository: Repository, area: Path, tmp_path: Path
) -> None:
    (area / ".vmlignore").write_text("sub/b.*\n")
    (tmp_path / "outside").write_text("outside")
    listener = Listener()
    with bound(tmp_path / "outside", area / "sub" / "b.txt"):
        taken = take(repository, area, listener, cache=tmp_path / "states")
        take(repository, area, listener, taken.tree, cache=tmp_path / "states")
        assert survey(area).ignored == 1
    assert listener.notes == []


def test_more_than_is_restored_is_refused_before_it_is_read(
    repository: Repository, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of ten million files takes an hour, and could be restored by nobody."""
    total = plan(repository, take(repository, area, cache=tmp_path / "states").tree)
    module = sys.modules[take.__module__]  # whose name in the package is the function
    monkeypatch.setattr(module, "MOST_NODES", total.nodes)
    tree = take(repository, area, cache=tmp_path / "states").tree
    monkeypatch.setattr(module, "MOST_NODES", total.nodes - 1)
    for known in (None, tree):  # looked at anew, and as it is remembered
        with pytest.raises(BadArea, match=f"more than {total.nodes - 1} files and folders"):
            take(repository, area, parent_tree=known, cache=tmp_path / "states")


def dig(folder: Path, name: str, levels: int, each: int = 0) -> None:
    """Make ``levels`` folders one in the other, a file in the last and, so often, in one on the way."""
    here = os.open(folder, os.O_RDONLY)
    for level in range(levels):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        if each and level % each == 0:
            os.close(os.open(f"file{level}", os.O_CREAT | os.O_WRONLY, dir_fd=here))
            os.mkdir("z later", dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def remove_deep(folder: Path) -> None:
    """Remove what is too deep for Python's own function."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.usefixtures("deep")
@pytest.mark.parametrize(("name", "levels"), [("d", 1500), ("n" * 255, 60)])
def test_an_area_deeper_than_a_path_is_long(
    repository: Repository, area: Path, tmp_path: Path, name: str, levels: int
) -> None:
    """Each tenth folder has more below it, to be entered when the deepest is done and the way back is closed."""
    dig(area, name, levels, each=10)
    before = len(os.listdir("/proc/self/fd"))
    taken = take(repository, area)
    assert taken.unreadable == []
    assert taken.files == 2 + 1 + levels // 10
    lay(repository, taken.tree, tmp_path / "laid")
    again = take(repository, tmp_path / "laid")
    assert (again.files, again.unreadable) == (taken.files, [])
    assert len(os.listdir("/proc/self/fd")) <= before
    remove_deep(area)
    remove_deep(tmp_path / "laid")


def test_a_folder_that_is_replaced_while_it_is_closed_is_not_read_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "area" / "a" / "b").mkdir(parents=True)
    top = descriptor.Descriptor(tmp_path / "area")
    folder = descriptor.Descriptor("a", top)
    folder._close()
    assert os.listdir(folder.number) == ["b"]
    folder._close()
    (tmp_path / "area" / "a").rename(tmp_path / "area" / "old")
    (tmp_path / "area" / "a").mkdir()
    with pytest.raises(OSError, match="replaced"):
        descriptor.Descriptor("b", folder)


def test_no_descriptor_is_left_open(repository: Repository, area: Path) -> None:
    for number in range(200):
        (area / f"folder{number}").mkdir()
        (area / f"folder{number}" / "file").write_text(str(number))
    take(repository, area)
    before = len(os.listdir("/proc/self/fd"))
    taken = take(repository, area)
    assert taken.files == 202
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_snapshot_names_the_tree(repository: Repository, area: Path) -> None:
    with repository.lock():
        taken = take(repository, area)
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=taken.tree, paths=[str(area)]))
    assert repository.snapshots()[0].tree == taken.tree
