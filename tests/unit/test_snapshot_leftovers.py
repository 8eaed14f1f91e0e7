"""What a restore that was killed leaves behind is taken away by the next one, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vml_jupyter.progress import Silent
from vml_jupyter.repository import Repository, memory_store
from vml_jupyter.snapshot import lay, take
from vml_jupyter.snapshot.leftovers import sweep

PATIENCE_S = 60.0
RESTORE = """
import sys
from pathlib import Path
from vml_jupyter.progress import Silent
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot import lay

class Stopping(Silent):
    def advance(self, done, total=None, unit=""):
        if done:
            print("on the way", flush=True)
            sys.stdin.read()

lay(Repository.open(sys.argv[1], "password"), sys.argv[2], Path(sys.argv[3]), Stopping())
"""


class Listener(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    folder = tmp_path / "parent"
    folder.mkdir()
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Repository, str]]:
    """A repository in memory with a tree of one file."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "file").write_text("x")
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    yield repository, take(repository, tmp_path / "small").tree
    repository.close()


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, str]:
    """A repository on disk with so many files that processes write them."""
    area = tmp_path / "large"
    for number in range(2000):
        file = area / str(number % 7) / "closed" / f"{number}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(2000))
    for number in range(7):
        (area / str(number) / "closed").chmod(0o500)
    repository = Repository.create(str(tmp_path / "repo"), "password", scrypt_n=1024)
    tree = take(repository, area).tree
    repository.close()
    return tmp_path / "repo", tree


def restoring(large: tuple[Path, str], target: Path) -> subprocess.Popen[str]:
    """Start a restore and return it when it has written something and waits."""
    command = [sys.executable, "-c", RESTORE, *map(str, large), str(target)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "on the way\n"
    return process


def test_a_killed_restore_is_cleaned_up_after(
    large: tuple[Path, str], small: tuple[Repository, str], parent: Path
) -> None:
    process = restoring(large, parent / "one")
    (stage,) = [path for path in parent.iterdir() if path.is_dir()]
    assert sweep(parent) == 0, "it is at work"
    assert any(stage.rglob("*"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert stage.exists()
    deadline = time.monotonic() + PATIENCE_S
    listener = Listener()
    lay(*small, parent / "two", listener)
    while stage.exists():  # a process that wrote for it may have been at its last file
        assert time.monotonic() < deadline, os.listdir(parent)
        lay(*small, parent / f"again {time.monotonic_ns()}", listener)
    assert listener.notes == [f"removed what restores that were killed had left in {parent}: 1"]
    assert not [path for path in parent.iterdir() if path.name.startswith(".")]


def test_another_restore_under_way_is_left_alone(
    large: tuple[Path, str], small: tuple[Repository, str], parent: Path
) -> None:
    process = restoring(large, parent / "one")
    lay(*small, parent / "two")
    process.communicate("")
    assert process.returncode == 0
    assert sum(len(files) for _, _, files in os.walk(parent / "one")) == 2000
    assert sorted(path.name for path in parent.iterdir()) == ["one", "two"]


NAME = ".vml-0123456789ab"


def mark(parent: Path, small: tuple[Repository, str]) -> str:
    """Return what a real restore writes beside the folder of its own, said of the folder ``NAME``."""
    said: list[str] = []

    class Looking(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            said.extend(file.read_text() for file in parent.glob(".vml-*.restoring"))

    lay(*small, parent / "laid", Looking())
    status = (parent / NAME).stat()
    return " ".join((*said[0].split()[:2], str(status.st_dev), f"{status.st_ino}\n"))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda file, text: None, id="no mark"),
        pytest.param(lambda file, text: file.write_text(""), id="an empty mark"),
        pytest.param(lambda file, text: file.write_text(text + "x"), id="another text"),
        pytest.param(lambda file, text: file.write_text(text.replace("\n", "1\n")), id="another inode"),
        pytest.param(
            lambda file, text: file.write_text("vml-restoring 0123456789ab" + text[26:]),
            id="another computer",
        ),
        pytest.param(lambda file, text: file.mkdir(), id="a folder"),
        pytest.param(lambda file, text: os.mkfifo(file), id="a pipe"),
        pytest.param(lambda file, text: file.symlink_to(file.with_name("elsewhere")), id="a link"),
    ],
)
def test_what_looks_alike_stays(make: object, small: tuple[Repository, str], parent: Path) -> None:
    (parent / NAME).mkdir()
    (parent / NAME / "precious").write_text("x")
    text = mark(parent, small)
    (parent / "elsewhere").write_text(text)
    assert callable(make)
    make(parent / f"{NAME}.restoring", text)
    before = sorted(parent.rglob("*"))
    assert sweep(parent) == 0
    assert sorted(parent.rglob("*")) == before


def test_the_mark_decides(small: tuple[Repository, str], parent: Path) -> None:
    """The same as above with the right mark: so those tests fail for the reason they give."""
    (parent / NAME).mkdir()
    (parent / NAME / "half").write_text("x")
    (parent / f"{NAME}.restoring").write_text(mark(parent, small))
    assert sweep(parent) == 1
    assert [path.name for path in parent.iterdir()] == ["laid"]


def test_a_link_in_its_place_is_not_followed(small: tuple[Repository, str], parent: Path) -> None:
    (parent / NAME).mkdir()
    (parent / NAME / "precious").write_text("x")
    (parent / f"{NAME}.restoring").write_text(mark(parent, small))
    (parent / NAME).rename(parent / "moved")
    (parent / NAME).symlink_to("moved")
    assert sweep(parent) == 0
    assert (parent / "moved" / "precious").exists()


def test_a_mark_without_a_folder_goes(small: tuple[Repository, str], parent: Path) -> None:
    """A restore may be killed when the folder has got its name already."""
    (parent / NAME).mkdir()
    (parent / f"{NAME}.restoring").write_text(mark(parent, small))
    (parent / NAME).rename(parent / "target")
    assert sweep(parent) == 0
    assert sorted(path.name for path in parent.iterdir()) == ["laid", "target"]
