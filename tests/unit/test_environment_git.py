"""Which commit a working area is of, and that no repository can make us run anything or wait."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vml_jupyter.environment.git import WorkingTree
from vml_jupyter.model import Checkout

Git = Callable[..., str]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "top"
    (folder / "analysis").mkdir(parents=True)
    return folder


@pytest.fixture
def git(top: Path, tmp_path: Path) -> Git:
    """Run git as a user without settings, in a repository with one commit."""
    who = {f"GIT_{role}_{what}": "me@here" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = {**os.environ, **who, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def run(*words: str, cwd: Path = top) -> str:
        return subprocess.run(
            ["git", *words], cwd=cwd, env=environ, check=True, capture_output=True, text=True
        ).stdout.strip()

    run("init", "-q", "-b", "main")
    (top / "analysis/fit.py").write_text("x = 1\n")
    (top / "other.py").write_text("y = 1\n")
    run("add", "-A")
    run("commit", "-q", "-m", "first")
    return run


def told(area: Path, **environ: str) -> Checkout | None:
    with WorkingTree(area, {**os.environ, **environ}) as tree:
        return tree.told()


def state(area: Path, **environ: str) -> tuple[str, int, int]:
    found = told(area, **environ)
    assert found is not None
    return found.state, found.changed, found.untracked


def test_no_checkout(tmp_path: Path) -> None:
    assert told(tmp_path) is None


def test_a_clean_checkout(git: Git, top: Path) -> None:
    expected = Checkout(folder=str(top), commit=git("rev-parse", "HEAD"), branch="main", state="clean")
    assert told(top / "analysis") == told(top) == expected


def test_what_differs_is_counted_in_the_area_alone(git: Git, top: Path) -> None:
    (top / "analysis/fit.py").write_text("x = 2\n")
    (top / "analysis/new.txt").touch()
    (top / "analysis/staged.txt").touch()
    git("add", "analysis/staged.txt")
    assert state(top / "analysis") == ("dirty", 2, 1)
    (top / "other.py").unlink()
    assert state(top / "analysis") == ("dirty", 2, 1)
    assert state(top) == ("dirty", 3, 1)


def test_what_is_ignored_does_not_count(git: Git, top: Path, tmp_path: Path) -> None:
    (top / ".git/info/exclude").write_text("*.root\n")
    (tmp_path / ".config/git").mkdir(parents=True)
    (tmp_path / ".config/git/ignore").write_text("*.log\n")
    for name in ("a.root", "a.log"):
        (top / name).touch()
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}
    assert state(top, **home) == ("clean", 0, 0)


def test_a_touched_file_is_compared_by_content(git: Git, top: Path) -> None:
    os.utime(top / "other.py", (0, 0))
    assert state(top) == ("clean", 0, 0)


def test_before_the_first_commit(tmp_path: Path, git: Git) -> None:
    area = tmp_path / "fresh"
    area.mkdir()
    git("init", "-q", "-b", "trunk", cwd=area)
    (area / "a").touch()
    assert told(area) == Checkout(folder=str(area), branch="trunk", state="dirty", untracked=1)


def test_a_detached_head_and_packed_references(git: Git, top: Path) -> None:
    git("pack-refs", "--all")
    commit = git("rev-parse", "HEAD")
    found = told(top)
    assert found is not None
    assert (found.commit, found.branch) == (commit, "main")
    git("checkout", "-q", "--detach")
    found = told(top)
    assert found is not None
    assert (found.commit, found.branch, found.state) == (commit, "", "clean")


def test_a_worktree_and_a_repository_with_long_ids(git: Git, top: Path, tmp_path: Path) -> None:
    git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    (tmp_path / "side/other.py").write_text("y = 2\n")
    found = told(tmp_path / "side")
    assert found is not None
    assert (found.branch, found.state, found.changed) == ("side", "dirty", 1)
    area = tmp_path / "long"
    area.mkdir()
    git("init", "-q", "--object-format=sha256", cwd=area)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=area)
    found = told(area)
    assert found is not None
    assert (len(found.commit), found.state) == (64, "clean")


def hostile(git: Git, top: Path, marker: Path) -> None:
    """Have a repository name a program wherever ``git status`` would run one."""
    script = top.parent / "evil"
    script.write_text(f"#!/bin/sh\necho $0 >>{marker}\ncat 2>/dev/null\n")
    script.chmod(0o755)
    (top / ".git/hooks/post-index-change").write_text(script.read_text())
    (top / ".git/hooks/post-index-change").chmod(0o755)
    (top / ".gitattributes").write_text("*.py filter=evil\n")
    git("add", ".gitattributes")
    git("commit", "-q", "-m", "attributes")
    (top / ".git/info/attributes").write_text("* filter=evil\n")
    for key in ("core.fsmonitor", "filter.evil.clean", "filter.evil.process", "remote.origin.uploadpack"):
        git("config", key, str(script))
    git("config", "filter.evil.required", "true")
    git("config", "core.sshCommand", str(script))
    git("config", "remote.origin.url", str(top.parent / "none"))
    git("config", "remote.origin.promisor", "true")
    (top / "other.py").write_text("y = 3\n")
    marker.unlink(missing_ok=True)


def test_a_repository_cannot_have_anything_run(git: Git, top: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile(git, top, marker)
    assert state(top) == ("dirty", 1, 0)
    assert not marker.exists()
    subprocess.run(["git", "status"], cwd=top, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True)
    assert marker.exists(), "git itself would not have run it either"


def test_missing_objects_are_not_fetched(git: Git, top: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    hostile(git, top, marker)
    commit = git("-c", "core.fsmonitor=false", "rev-parse", "HEAD")
    (top / ".git/objects" / commit[:2] / commit[2:]).unlink()
    found = told(top)
    assert found is not None
    assert (found.commit, found.state) == (commit, "unknown")
    assert "does not understand" in found.unknown
    assert not marker.exists()


def test_nothing_is_written(git: Git, top: Path, tmp_path: Path) -> None:
    os.utime(top / "other.py", (0, 0))  # git status would write the index anew for this
    before = {file: file.stat().st_mtime_ns for file in (top / ".git").rglob("*")}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert state(top, TMPDIR=str(scratch)) == ("clean", 0, 0)
    assert {file: file.stat().st_mtime_ns for file in (top / ".git").rglob("*")} == before
    assert list(scratch.iterdir()) == []


def fake(folder: Path, script: str) -> str:
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    return f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"


def test_a_git_that_takes_too_long_is_given_up(git: Git, top: Path, tmp_path: Path) -> None:
    path = fake(tmp_path / "bin", f"echo $$ >{tmp_path / 'pid'}; exec sleep 60")
    begun = time.monotonic()
    found = told(top, PATH=path)
    assert time.monotonic() - begun < 30
    assert found is not None
    assert (found.state, found.unknown) == ("unknown", "git did not answer within 2 s")
    assert found.commit == git("rev-parse", "HEAD")
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_without_git_the_commit_is_known_all_the_same(git: Git, top: Path, tmp_path: Path) -> None:
    found = told(top, PATH=str(tmp_path / "nowhere"))
    assert found is not None
    assert (found.state, found.unknown) == ("unknown", "git is not installed")
    assert found.commit == git("rev-parse", "HEAD")


def test_without_room_for_a_folder_of_our_own(git: Git, top: Path, tmp_path: Path) -> None:
    found = told(top, TMPDIR=str(tmp_path / "nowhere"))
    assert found is not None
    assert (found.state, found.unknown) == ("unknown", "git could not be asked: No such file or directory")


@pytest.mark.parametrize(
    ("name", "content", "commit_is_known", "state"),
    [
        ("HEAD", "ref: ../../secret\n", False, "dirty"),
        ("HEAD", "ref: refs/heads/../../../../secret\n", False, "dirty"),
        ("HEAD", "\x00\x01" * 500, False, "dirty"),
        ("commondir", "../../nowhere\n", True, "unknown"),
        ("index", "DIRC rubbish", True, "unknown"),
        ("config", "rubbish [ = \n[include]\n\tpath = /dev/zero\n[core]\nbare = true\n", True, "clean"),
    ],
)
def test_damaged_repositories(
    git: Git, top: Path, tmp_path: Path, name: str, content: str, commit_is_known: bool, state: str
) -> None:
    commit = git("rev-parse", "HEAD")
    (tmp_path / "secret").write_text("0" * 40)
    (top / ".git" / name).write_text(content)
    found = told(top)
    assert found is not None
    assert (found.commit, found.state) == (commit if commit_is_known else "", state)


def test_a_named_pipe_holds_up_nobody(top: Path) -> None:
    (top / ".git").mkdir()
    os.mkfifo(top / ".git/HEAD")
    assert told(top) is None
