"""One repository, two programs: restic and VML write, forget, prune, copy and mount in turn, and both call it clean."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from restic_judge import Restic
from test_repository_restic import area, listing, same_content, save_tree_as_snapshot

from vml_jupyter.flows.upkeep import check
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Environment, new_entry_id
from vml_jupyter.repository import Repository, Snapshot
from vml_jupyter.snapshot import lay, take
from vml_jupyter.snapshot.image import AreaImage

__all__ = ["area"]
PASSWORD = "password"


def save(repository: Repository, folder: Path) -> str:
    with repository.lock():
        return save_tree_as_snapshot(repository, take(repository, folder).tree)


def laid(repository: Repository, snapshot: Snapshot, folder: Path, target: Path) -> None:
    """Lay ``folder`` out from a snapshot of either program: restic's holds the whole path, ours the content."""
    tree = snapshot.tree
    if snapshot.paths != ["/area"]:
        for name in folder.parts[1:]:
            (node,) = (node for node in repository.tree(tree) if node.name == name)
            tree = str(node.subtree)
    lay(repository, tree, target)


def both_clean(repository: Repository, restic: Restic) -> None:
    restic.check()
    assert repository.upkeep.check(read_data=True).findings == ()


@pytest.mark.parametrize("version", ["1", "2"])
def test_writers_alternate(tmp_path: Path, area: Path, version: str) -> None:
    """us, restic, us, restic prune, us prune, ...: after each both call it clean, and what is left restores."""
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.init(version)
    repository = Repository.open(str(tmp_path / "repo"), PASSWORD)
    for round in range(3):
        (area / "changing").write_bytes(os.urandom(200_000 + round))
        ours = save(repository, area)
        (area / "changing").write_bytes(os.urandom(100_000 + round))
        restic.run("backup", area)
        both_clean(repository, restic)
        if round == 1:
            restic.run("forget", ours, "--prune", "--max-unused", "0")
        elif round == 2:
            restic.run("forget", "latest")
            assert repository.prune().freed_bytes > 100_000
        both_clean(repository, restic)
    kept = repository.snapshots()
    assert len(kept) == 4
    newest = max(kept, key=lambda snapshot: snapshot.time if snapshot.paths == ["/area"] else "")
    restic.run("restore", newest.id, "--target", tmp_path / "theirs")
    assert listing(tmp_path / "theirs").count("\n") == listing(area).count("\n")
    for number, snapshot in enumerate(kept):
        laid(repository, snapshot, area, tmp_path / f"laid{number}")
        (tmp_path / f"laid{number}" / "changing").unlink()
    (area / "changing").unlink()
    assert all(same_content(tmp_path / f"laid{number}", area) for number in range(len(kept)))
    repository.close()


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_we_write_is_in_the_repositorys_own_version(tmp_path: Path, version: str) -> None:
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.init(version)
    repository = Repository.open(str(tmp_path / "repo"), PASSWORD)
    (tmp_path / "area").mkdir()
    (tmp_path / "area" / "file").write_bytes(b"compressible " * 100_000)
    save(repository, tmp_path / "area")
    size = sum(path.stat().st_size for path in (tmp_path / "repo" / "data").rglob("*") if path.is_file())
    assert (size > 1_000_000) == (version == "1"), "version 1 knows no compression"
    both_clean(repository, restic)
    repository.prune()
    both_clean(repository, restic)
    assert restic.json("cat", "config")["version"] == int(version)
    repository.close()


def test_restic_copies_what_we_wrote(tmp_path: Path, area: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    save(repository, area)
    (tmp_path / "pw").write_text(PASSWORD)
    copy = Restic(tmp_path / "copy", PASSWORD)
    copy.init()
    copy.run("copy", "--from-repo", tmp_path / "repo", "--from-password-file", tmp_path / "pw")
    copy.check()
    copied = Repository.open(str(tmp_path / "copy"), PASSWORD)
    (snapshot,) = copied.snapshots()
    laid(copied, snapshot, area, tmp_path / "laid")
    assert listing(tmp_path / "laid") == listing(area)
    assert same_content(tmp_path / "laid", area)
    assert copied.upkeep.check(read_data=True).findings == ()
    copied.close()
    repository.close()


def test_restic_forgets_and_prunes_entries(tmp_path: Path, area: Path, settings) -> None:
    logbook = Logbook.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    entries = []
    for title in ("first", "second"):
        (area / "changing").write_bytes(os.urandom(100_000))
        with logbook.repository.lock():
            tree = take(logbook.repository, area).tree
            record = Entry(
                id=new_entry_id(), time="2026-01-01T00:00:00Z", title=title, environment=Environment()
            )
            entries.append(logbook.add(record, tree))
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.run("backup", area)
    restic.run("forget", entries[0].snapshot, "--prune")
    assert [entry.title for entry in logbook.entries()] == ["second"]
    settings = settings.using(logbook=str(tmp_path / "repo"), logbook_password=PASSWORD)
    assert check(settings, read_data=True).findings == ()
    logbook.repository.delete_snapshot(entries[1].snapshot)
    logbook.repository.prune()
    both_clean(logbook.repository, restic)
    assert len(restic.json("snapshots")) == 1, "restic's own is not harmed"
    restic.run("restore", "latest", "--target", tmp_path / "restored")
    assert same_content(tmp_path / "restored" / area.relative_to("/"), area)
    logbook.close()


def test_we_compare_and_serve_what_restic_wrote(tmp_path: Path, area: Path) -> None:
    """The image of restic's snapshot has each file where the disk of a machine would show it."""
    restic = Restic(tmp_path / "repo", PASSWORD)
    restic.init()
    restic.run("backup", area)
    repository = Repository.open(str(tmp_path / "repo"), PASSWORD)
    (snapshot,) = repository.snapshots()
    tree = snapshot.tree
    for name in area.parts[1:]:
        (node,) = (node for node in repository.tree(tree) if node.name == name)
        tree = str(node.subtree)
    with AreaImage(repository, tree) as image:
        image.write(tmp_path / "image.iso")
    listed = subprocess.run(
        ["isoinfo", "-R", "-f", "-i", str(tmp_path / "image.iso")], capture_output=True, check=True
    ).stdout.decode(errors="replace")
    assert "/sub/large.bin" in listed.splitlines()
    large = subprocess.run(
        ["isoinfo", "-R", "-x", "/sub/large.bin", "-i", str(tmp_path / "image.iso")],
        capture_output=True,
        check=True,
    ).stdout
    assert large == (area / "sub" / "large.bin").read_bytes()
    again = take(repository, area)
    assert again.new_bytes < (5 << 20) + 100_000, "cut in other places, but small files are known"
    repository.close()


@contextmanager
def mounted(restic: Restic, point: Path) -> Iterator[Path]:
    """``restic mount``, ready to be read; ended and unmounted after."""
    point.mkdir()
    environ = {**os.environ, "RESTIC_PASSWORD": PASSWORD}
    command = ["restic", "--no-cache", "-r", str(restic.folder), "mount", str(point)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 30
            while not (point / "ids").exists():
                assert server.poll() is None, server.stderr.read() if server.stderr else b""
                assert time.monotonic() < deadline
            yield point
        finally:
            subprocess.run(["fusermount", "-u", str(point)], check=False, capture_output=True)
            server.terminate()
            server.wait(30)


def fuse_is_missing() -> str:
    """Return why nothing can be mounted here, '' where it can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be used here ({error.strerror})"
    return ""


@pytest.mark.skipif(bool(fuse_is_missing()), reason=fuse_is_missing() or "it can be used")
def test_restic_mounts_what_we_wrote(tmp_path: Path, area: Path) -> None:
    repository = Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024)
    id = save(repository, area)
    with mounted(Restic(tmp_path / "repo", PASSWORD), tmp_path / "mnt") as point:
        assert same_content(point / "ids" / id[:8], area)
        assert (point / "ids" / id[:8] / "notebook.ipynb").read_text() == '{"cells": []}'
    repository.close()


def test_all_that_is_done_from_the_command_line(tmp_path: Path, area: Path) -> None:
    """vml snapshot, restic backup, vml check, vml forget, vml prune, restic check: one after the other."""
    environ = {
        **os.environ,
        "VML_DATA": str(tmp_path / "data"),
        "VML_CONFIG": str(tmp_path / "config"),
        "VML_LOGBOOK": str(tmp_path / "repo"),
        "VML_LOGBOOK_PASSWORD": PASSWORD,
    }

    def vml(*words: object) -> str:
        command = [sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words)]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout

    restic = Restic(tmp_path / "repo", PASSWORD)
    vml("snapshot", area, "-m", "ours")
    restic.run("backup", area)
    assert "Nothing is damaged" in vml("check", "--read-data")
    entry = vml("list").splitlines()[1].split()[0]
    vml("forget", entry)
    vml("prune")
    restic.check()
    assert "Nothing is damaged" in vml("check", "--read-data")
    (theirs,) = (one for one in restic.json("snapshots") if not one.get("tags"))
    assert theirs["paths"] == [str(area)]
