"""The working area itself comes back as it was: mode, times, owner, access lists and attributes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from looking import Seen, differences, look
from ordinary import ordinary_user
from restic_judge import Restic

from vml_jupyter.errors import Foreign, WouldOverwrite
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Environment, new_entry_id
from vml_jupyter.progress import Silent
from vml_jupyter.repository import Node, Repository, memory_store
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.snapshot import lay, take

PASSWORD = "password"
IS_ROOT = os.geteuid() == 0
TIME_NS = 1_234_567_890_123_456_789
NOBODY_ELSE = 0xFFFFFFFF
ENTRIES = (
    (0x01, 7, NOBODY_ELSE),
    (0x02, 4, 54321),
    (0x04, 5, NOBODY_ELSE),
    (0x10, 5, NOBODY_ELSE),
    (0x20, 0, NOBODY_ELSE),
)
LIST = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ENTRIES)
"""A POSIX access list as the kernel keeps it: version 2, then tag, permissions, id of each."""


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A working area, with all that its folder may have, in a folder of its own."""
    area = tmp_path / "source" / "area"
    area.mkdir(parents=True)
    (area / "file").write_text("x")
    os.setxattr(area, "user.origin", b"run \xff 7")
    for kind in ("access", "default"):
        os.setxattr(area, f"system.posix_acl_{kind}", LIST)
    if IS_ROOT:
        os.setxattr(area, "trusted.note", b"1")
        os.chown(area, 12345, 54321)
    area.chmod(0o2750)
    os.utime(area, ns=(TIME_NS, TIME_NS))
    return area


@pytest.fixture
def logbook(tmp_path: Path) -> Iterator[Logbook]:
    logbook = Logbook.create(str(tmp_path / "logbook"), PASSWORD, scrypt_n=1024)
    yield logbook
    logbook.close()


def add(logbook: Logbook, area: Path) -> Entry:
    with logbook.repository.lock():
        taken = take(logbook.repository, area)
        entry = Entry(
            id=new_entry_id(), time="2026-02-03T04:05:06Z", title="A title", environment=Environment()
        )
        return logbook.add(entry, taken.tree, taken.folder)


def restored(logbook: Logbook, entry: Entry, target: Path) -> Seen:
    """Restore an entry and return what ``look`` sees of the folder and all in it."""
    target.parent.mkdir()
    lay(logbook.repository, entry.tree, target, folder=logbook.area_node(entry))
    return look(target.parent)


def test_it_is_as_it_was_and_as_restic_restores_it(area: Path, logbook: Logbook, tmp_path: Path) -> None:
    entry = add(logbook, area)
    ours = restored(logbook, entry, tmp_path / "ours" / "area")
    assert differences(look(area.parent), ours) == []
    assert ours[b"area"]["mtime"] == TIME_NS
    Restic(tmp_path / "logbook", PASSWORD).run("restore", entry.snapshot, "--target", tmp_path / "theirs")
    (tmp_path / "theirs" / "entry.json").unlink()
    assert differences(ours, look(tmp_path / "theirs")) == []


def test_it_stays_so_when_the_entry_changes(area: Path, logbook: Logbook, tmp_path: Path) -> None:
    entry = add(logbook, area)
    edited = logbook.edit(msgspec.structs.replace(entry, title="Another"))
    logbook.forget(edited.id)
    logbook.unforget(edited.id)
    found = logbook.find(entry.id)
    assert found.title == "Another"
    assert differences(look(area.parent), restored(logbook, found, tmp_path / "ours" / "area")) == []


def test_an_unchanged_area_has_what_its_folder_is_now(area: Path, logbook: Logbook, tmp_path: Path) -> None:
    entry = add(logbook, area)
    area.chmod(0o750)
    os.removexattr(area, "user.origin")
    with logbook.repository.lock():
        taken = take(logbook.repository, area, parent_tree=entry.tree)
        fields = {"id": new_entry_id(), "snapshot": "", "tree": ""}
        again = logbook.add(msgspec.structs.replace(entry, **fields), taken.tree, taken.folder)
    assert again.tree == entry.tree
    assert differences(look(area.parent), restored(logbook, again, tmp_path / "ours" / "area")) == []


CLOSED = Node(name="area", type="dir", mode=from_stat(0o040000), mtime="2001-01-01T00:00:00Z")
"""A folder that nobody may enter."""


@pytest.fixture
def stored() -> Iterator[tuple[Repository, str]]:
    """A repository in memory, which every user may read, with a tree of one file."""
    repository = Repository.create(memory_store(), PASSWORD, scrypt_n=1024)
    content, _ = repository.save_blob(b"x")
    tree = repository.save_tree([Node(name="f", type="file", mode=0o644, content=[content])])
    repository.flush()
    yield repository, tree
    repository.close()


def test_a_folder_that_may_not_be_entered(stored: tuple[Repository, str], tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    with ordinary_user(parent):
        lay(*stored, parent / "target", folder=CLOSED)
    status = (parent / "target").stat()
    assert (status.st_mode, status.st_mtime) == (0o040000, 978_307_200)
    (parent / "target").chmod(0o700)
    assert os.listdir(parent / "target") == ["f"]


def test_it_is_removed_where_it_cannot_have_its_name(stored: tuple[Repository, str], tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()

    class Somebody(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            (parent / "target").mkdir(exist_ok=True)
            (parent / "target" / "theirs").touch()

    with ordinary_user(parent), pytest.raises(WouldOverwrite):
        lay(*stored, parent / "target", Somebody(), CLOSED)
    assert [path.name for path in parent.rglob("*")] == ["target", "theirs"]


@pytest.mark.parametrize("field", [{"uid": 1 << 40}, {"gid": -1}, {"mtime": "yesterday"}])
def test_a_folder_that_cannot_be(
    stored: tuple[Repository, str], tmp_path: Path, field: dict[str, object]
) -> None:
    with pytest.raises(Foreign):
        lay(*stored, tmp_path / "target", folder=msgspec.structs.replace(CLOSED, **field))
    assert not list(tmp_path.glob("*target*"))
    assert not list(tmp_path.glob(".vml*"))
