"""A restored tree is the captured one, attribute by attribute, whoever of restic and VML wrote and restored it.

What restic 0.14 itself does not give back is looked at between VML and VML alone: second names of symbolic
links (they become links of their own), link targets that are not UTF-8 (it replaces the bytes), holes (it fills
them), and what is deeper than PATH_MAX (it does not restore that).
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from looking import Seen, differences, look
from restic_judge import Restic

from vml_jupyter.repository import Repository, Snapshot, memory_store
from vml_jupyter.snapshot import lay, take

PASSWORD = "password"
IS_ROOT = os.geteuid() == 0
READ, WRITE = 4, 2


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Return a POSIX access list as the kernel keeps it: version 2, then tag, permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


LIST = acl(
    (0x01, 7, 0xFFFFFFFF),
    (0x02, READ, 54321),
    (0x04, 5, 0xFFFFFFFF),
    (0x10, 5, 0xFFFFFFFF),
    (0x20, 0, 0xFFFFFFFF),
)


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A working area with everything that a file system knows and this user may make."""
    area = tmp_path / "area"
    (area / "sub" / "deep").mkdir(parents=True)
    (area / "empty folder").mkdir()
    (area / "empty").touch()
    (area / "large").write_bytes(os.urandom(5 << 20))
    (area / "sub" / "text").write_text("text " * 1000)
    for name in (b"caf\xe9", b"n" * 255, b'quo"te\n\\', b"\xff\xfe", "naïve \u200b".encode()):
        Path(os.fsdecode(os.fsencode(area / "sub") + b"/" + name)).write_bytes(name)
    with (area / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(40 << 20)
        file.write(b"end")
    os.link(area / "sub" / "text", area / "second name")
    os.link(area / "sub" / "text", area / "sub" / "deep" / "third name")
    (area / "link").symlink_to("sub/text")
    (area / "long link").symlink_to("x" * 3000)
    os.mkfifo(area / "pipe", 0o622)
    (area / "read-only").write_text("x")
    (area / "read-only").chmod(0o444)
    (area / "script").write_text("#!/bin/sh\n")
    (area / "script").chmod(0o751)
    (area / "sub" / "deep").chmod(0o1777)
    attributes(area)
    if IS_ROOT:
        of_root(area)
    for number, name in enumerate(("empty", "link", "pipe", "sub/deep", "sub")):
        time_ns = 1_234_567_890_123_456_789 + number
        os.utime(area / name, ns=(time_ns, time_ns), follow_symlinks=False)
    os.utime(area / "script", ns=(-1_000_000_001, -1_000_000_001))  # the end of 1969
    return area


def attributes(area: Path) -> None:
    os.setxattr(area / "script", "user.origin", b"run \xff 7")
    os.setxattr(area / "empty", "user.empty", b"")
    os.setxattr(area / "sub", "user.folder", b"x" * 1000)
    os.setxattr(area / "sub" / "text", "system.posix_acl_access", LIST)
    os.setxattr(area / "sub", "system.posix_acl_access", LIST)
    os.setxattr(area / "sub", "system.posix_acl_default", LIST)


def of_root(area: Path) -> None:
    """Add what only root may make."""
    os.mknod(area / "disk", stat.S_IFBLK | 0o640, os.makedev(8, 1))
    os.mknod(area / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (area / "theirs").write_text("x")
    os.chown(area / "theirs", 12345, 54321)
    os.chown(area / "empty folder", 12345, 54321)
    os.lchown(area / "link", 12345, 54321)
    os.chown(area / "script", 12345, 54321)
    os.chmod(area / "script", 0o6751)
    os.chmod(area / "empty folder", 0o3775)
    os.setxattr(area / "theirs", "trusted.note", b"1")
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(area / "theirs", "security.capability", capability)


@pytest.fixture
def listening(area: Path) -> Iterator[None]:
    """A socket in the area, which nobody's snapshot holds."""
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(area)  # a socket's path may be 107 bytes long
        listener.bind("socket")
        yield
    os.chdir("/")


def test_ours_comes_back_as_it_was(area: Path, listening: None, tmp_path: Path) -> None:
    os.link(area / "link", area / "second link", follow_symlinks=False)
    os.symlink(b"caf\xe9", area / "odd link")
    repository = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    taken = take(repository, area)
    assert taken.unreadable == []
    lay(repository, taken.tree, tmp_path / "laid")
    (area / "socket").unlink()
    os.utime(area)
    assert differences(look(area), look(tmp_path / "laid")) == []
    assert (tmp_path / "laid" / "sparse").stat().st_blocks * 512 < 4 << 20, "holes are holes"
    repository.close()


def test_restic_restores_what_we_took(area: Path, tmp_path: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    with repository.lock():
        tree = take(repository, area).tree
        snapshot = repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/area"]))
    Restic(tmp_path / "repo", PASSWORD).run("restore", snapshot, "--target", tmp_path / "theirs")
    lay(repository, tree, tmp_path / "ours")
    repository.close()
    assert differences(look(area), look(tmp_path / "ours")) == []
    assert differences(look(tmp_path / "ours"), look(tmp_path / "theirs")) == []


@pytest.mark.parametrize("version", ["1", "2"])
def test_we_restore_what_restic_took(area: Path, tmp_path: Path, version: str) -> None:
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.run("init", "--repository-version", version)
    restic.run("backup", area)
    restic.run("restore", "latest", "--target", tmp_path / "theirs")
    repository = Repository.open(str(tmp_path / "repo"), PASSWORD)
    lay(repository, repository.snapshots()[0].tree, tmp_path / "ours")
    repository.close()
    theirs, ours = below(tmp_path / "theirs", area), below(tmp_path / "ours", area)
    assert differences(look(area), ours) == []
    assert differences(ours, theirs) == []


def below(folder: Path, area: Path) -> Seen:
    return look(folder.joinpath(*area.parts[1:]))


def test_an_inherited_access_list_does_not_get_in(area: Path, tmp_path: Path) -> None:
    """What is laid out in a folder with a default access list is still what was captured."""
    repository = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    taken = take(repository, area)
    (tmp_path / "shared").mkdir()
    os.setxattr(tmp_path / "shared", "system.posix_acl_default", LIST)
    (tmp_path / "shared").chmod(0o2777)
    lay(repository, taken.tree, tmp_path / "shared" / "laid")
    found = look(tmp_path / "shared" / "laid")
    assert differences(look(area), found) == []
    repository.close()


def test_deeper_than_a_path(tmp_path: Path) -> None:
    """restic finds no fault with what is deeper than PATH_MAX, but cannot restore it; we can."""
    area = tmp_path / "area"
    area.mkdir()
    here = os.open(area, os.O_RDONLY)
    for level in range(20):
        os.mkdir(f"{level:0250}", dir_fd=here)
        below_it = os.open(f"{level:0250}", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below_it
    os.symlink("deepest", "link", dir_fd=here)
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.link("file", "other", src_dir_fd=here, dst_dir_fd=here)
    os.close(here)
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    with repository.lock():
        tree = take(repository, area).tree
        repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/area"]))
    Restic(tmp_path / "repo", PASSWORD).check()
    lay(repository, tree, tmp_path / "laid")
    repository.close()
    assert differences(look(area), look(tmp_path / "laid")) == []
    for folder in (area, tmp_path / "laid"):
        subprocess.run(["rm", "-rf", str(folder)], check=True)
