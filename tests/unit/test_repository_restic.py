"""Both ways: restic reads, checks and prunes what VML wrote, and VML reads what restic wrote."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from restic_judge import Restic
from test_repository import PASSWORD, read_something, save_something

from vml_jupyter.errors import WrongPassword
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.snapshot import lay, take


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A working area with a bit of everything."""
    area = tmp_path / "area"
    (area / "sub" / "deep").mkdir(parents=True)
    (area / "empty folder").mkdir()
    (area / "notebook.ipynb").write_text('{"cells": []}')
    (area / "empty").touch()
    (area / "sub" / "large.bin").write_bytes(os.urandom(5 << 20))
    (area / "sub" / "zeros.bin").write_bytes(bytes(3 << 20))
    (area / "sub" / "deep" / "text").write_text("text " * 20_000)
    (area / "sub" / 'quo"te\n\\').write_text("odd")
    Path(os.fsdecode(os.fsencode(area / "sub") + b"/caf\xe9")).write_text("Latin-1")
    (area / "sub" / "link").symlink_to("../notebook.ipynb")
    (area / "sub" / "nowhere").symlink_to("/does/not/exist")
    os.link(area / "notebook.ipynb", area / "second name")
    os.mkfifo(area / "pipe")
    (area / "notebook.ipynb").chmod(0o640)
    os.utime(area / "empty", ns=(1, 1_234_567_890_123_456_789))
    return area


def listing(folder: Path) -> str:
    """Return all that two equal folders have in common: kinds, modes, times, sizes, targets."""
    command = ["find", ".", "-mindepth", "1", "(", "-type", "d", "-printf", r"%p %y %m\n", "-o", "-printf"]
    found = subprocess.run(
        [*command, r"%p %y %m %T@ %s %n %l\n", ")"], cwd=folder, capture_output=True, check=True
    )
    return "\n".join(sorted(found.stdout.decode("utf-8", "backslashreplace").splitlines()))


def same_content(one: Path, other: Path) -> bool:
    command = ["diff", "-r", "--no-dereference", "--exclude=pipe", str(one), str(other)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.parametrize("version", ["1", "2"])
def test_we_read_what_restic_wrote(tmp_path: Path, area: Path, version: str) -> None:
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.init(version)
    restic.run("backup", "--tag", "theirs", area)
    repository = Repository.open(str(tmp_path / "repo"), PASSWORD)
    (snapshot,) = repository.snapshots()
    assert (snapshot.paths, snapshot.tags) == ([str(area)], ["theirs"])
    tree = snapshot.tree
    for name in area.parts[1:]:
        (node,) = (node for node in repository.tree(tree) if node.name == name)
        tree = str(node.subtree)
    lay(repository, tree, tmp_path / "laid")
    assert listing(tmp_path / "laid") == listing(area)
    assert same_content(tmp_path / "laid", area)
    save_something(repository)
    repository.close()
    restic.check()


def test_restic_reads_what_we_wrote(tmp_path: Path, area: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    restic = Restic(tmp_path / "repo", PASSWORD)
    with repository.lock():
        taken = take(repository, area)
        snapshot = save_tree_as_snapshot(repository, taken.tree)
    restic.check()
    (seen,) = restic.json("snapshots")
    assert (seen["id"], seen["tree"], seen["paths"]) == (snapshot, taken.tree, ["/area"])
    restic.run("restore", snapshot, "--target", tmp_path / "restored")
    assert listing(tmp_path / "restored") == listing(area)
    assert same_content(tmp_path / "restored", area)
    assert restic.run("dump", "latest", "/notebook.ipynb") == '{"cells": []}'
    restic.run("backup", area)
    restic.check()
    repository.close()


def save_tree_as_snapshot(repository: Repository, tree: str) -> str:
    return repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=tree, paths=["/area"]))


def test_what_restic_moved_is_found_again(tmp_path: Path) -> None:
    """restic's prune writes new packs and a new index under an open repository."""
    repository = Repository.create(str(tmp_path), PASSWORD, scrypt_n=1024)
    first = save_something(repository, os.urandom(2000))
    restic = Restic(tmp_path, PASSWORD)
    with repository.lock():
        contents = [os.urandom(3000) for _ in range(3)]
        ids = [repository.save_blob(content)[0] for content in [*contents, b"unwanted"]]
        nodes = [Node(name=str(n), type="file", content=[id]) for n, id in enumerate(ids[:3])]
        save_tree_as_snapshot(repository, repository.save_tree(nodes))
    restic.run("forget", first)
    restic.run("prune", "--max-unused", "0")
    assert [repository.blob(id) for id in ids[:3]] == contents
    with repository.lock():
        assert repository.save_blob(b"unwanted")[1] > 0, "what was pruned is stored again"
    save_something(repository, b"more")
    repository.close()
    restic.check()


def test_restic_adds_a_password(tmp_path: Path) -> None:
    Repository.create(str(tmp_path / "repo"), PASSWORD).close()
    (tmp_path / "new").write_text("new password")
    Restic(tmp_path / "repo", PASSWORD).run("key", "add", "--new-password-file", tmp_path / "new")
    repository = Repository.open(str(tmp_path / "repo"), "new password")
    save_something(repository)
    assert read_something(repository)
    repository.close()
    with pytest.raises(WrongPassword):
        Repository.open(str(tmp_path / "repo"), "neither")
