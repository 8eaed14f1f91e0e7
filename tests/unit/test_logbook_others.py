"""What restic backed up into a logbook: listed on request, shown, restored, compared and served, and never changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from restic_judge import Restic

import vml_jupyter as vml
from vml_jupyter.cli.main import main
from vml_jupyter.errors import NotFound, ReleaseUnknown
from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import list_entries, opened
from vml_jupyter.flows.reading import details, find_anywhere, list_folder, read_file
from vml_jupyter.flows.restore import restore
from vml_jupyter.flows.settings import load
from vml_jupyter.logbook.others import entry_of
from vml_jupyter.machine import companion
from vml_jupyter.model import Query
from vml_jupyter.repository import Snapshot

PASSWORD = "password"
Run = Callable[..., Any]


@pytest.fixture
def restic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restic:
    """A repository that is the user's logbook, and restic with its password."""
    restic = Restic(tmp_path / "repository", PASSWORD)
    restic.init()
    monkeypatch.setenv("VML_LOGBOOK", str(restic.folder))
    monkeypatch.setenv("VML_LOGBOOK_PASSWORD", PASSWORD)
    return restic


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "fits"
    (area / "deep" / "er").mkdir(parents=True)
    (area / "deep" / "er" / "data.bin").write_bytes(os.urandom(1 << 20))
    (area / "fit.txt").write_text("fit")
    (area / "link").symlink_to("fit.txt")
    os.setxattr(area / "fit.txt", "user.kind", b"fit")
    area.chmod(0o750)
    return area


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command and return what it prints as JSON."""

    def run(*words: str | Path) -> Any:
        capfd.readouterr()
        assert main([*map(str, words), "--json"]) == 0, capfd.readouterr().err
        return json.loads(capfd.readouterr().out)

    return run


def refused(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    capfd.readouterr()
    assert main(list(words)) != 0
    return capfd.readouterr().err


def backed_up(restic: Restic, *paths: Path | str, tag: str = "", cwd: Path | None = None) -> str:
    """Let restic back something up and return the id that it shows."""
    before = {one["id"] for one in restic.json("snapshots")}
    command = ["restic", "--no-cache", "-r", str(restic.folder), "backup", *map(str, paths)]
    command += ["--tag", tag] if tag else []
    subprocess.run(command, env=restic._environ, cwd=cwd, check=True, capture_output=True)
    (new,) = {one["id"] for one in restic.json("snapshots")} - before
    return str(new)[:8]


def content(folder: Path) -> dict[str, tuple[object, ...]]:
    """What is in a folder and the folder itself: kind and mode, time, bytes or target, attributes."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.lstat()
        data = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        names = os.listxattr(path, follow_symlinks=False)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, data, attributes)
    return found


def test_it_is_listed_on_request_and_marked(
    restic: Restic, area: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    snapshot = backed_up(restic, area, tag="thesis")
    entry = run("snapshot", area)["entry"]
    assert [one["id"] for one in run("list")["entries"]] == [entry]
    ours, theirs = run("list", "--all")["entries"]
    assert (ours["id"], "writer" in ours) == (entry, False)
    assert theirs["id"].startswith(snapshot)
    assert theirs["title"].startswith(f"{area} on ")
    assert (theirs["writer"], theirs["area"], theirs["tags"]) == ("restic", str(area), ["thesis"])
    assert run("list", "--all")["entries"] == [ours, theirs], "as it is remembered"
    for words in (["--tag", "thesis"], ["--search", "thesis"]):
        assert [one["id"] for one in run("list", "--all", *words)["entries"]] == [theirs["id"]]
    assert run("list", "--all", "--bin")["entries"] == []
    assert [one.writer for one in vml.entries(restic=True)] == ["", "restic"]
    assert main(["list", "--all"]) == 0
    row = next(line for line in capfd.readouterr().out.splitlines() if line.startswith(snapshot))
    assert "restic" in row.split()
    assert "#thesis" in row.split()


def test_a_register_of_old_learns_of_it(restic: Restic, area: Path, run: Run) -> None:
    """Which had but the ids of what is no entry."""
    backed_up(restic, area)
    settings = load()
    with opened(settings) as logbook:
        logbook.listed()
        register = logbook._register
        old = [type(row)(row.snapshot) for row in register.rows()]
        register._save({row.snapshot: row for row in old})
    assert len(old) == 1
    assert len(run("list", "--all")["entries"]) == 1


def test_it_is_shown(restic: Restic, area: Path, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    snapshot = backed_up(restic, area)
    told = run("show", snapshot)
    assert (told["files"], told["bytes"], told["writer"]) == (2, (1 << 20) + 3, "restic")
    assert told["durability"]["state"] == "unnamed"
    assert main(["show", snapshot]) == 0
    shown = capfd.readouterr().out
    assert "2 files, 1.0 MB\n" in "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"
    assert re.search(r"written by +restic", shown)
    assert "restic does not record it" in shown


@pytest.mark.parametrize("how", ["absolute", "relative", "here"])
def test_the_files_come_back_as_restic_restores_them(
    restic: Restic, area: Path, tmp_path: Path, run: Run, how: str
) -> None:
    what, cwd = {"absolute": (area, None), "relative": ("fits", tmp_path), "here": (".", area)}[how]
    snapshot = backed_up(restic, what, cwd=cwd)
    told = run("restore", snapshot, "--to", tmp_path / "back")
    assert told["files"] == 2
    back = content(tmp_path / "back")
    expected = content(area)
    if how == "here":  # restic keeps nothing of the folder itself
        del back["."], expected["."]
    assert back == expected
    restic.run("restore", snapshot, "--target", tmp_path / "judged")
    judged = tmp_path / "judged" / {"absolute": str(area)[1:], "relative": "fits", "here": ""}[how]
    for name in expected:
        assert content(judged)[name] == expected[name]


@pytest.mark.parametrize("nested", [False, True])
def test_a_folder_in_a_folder_of_the_same_name(
    restic: Restic, tmp_path: Path, run: Run, nested: bool
) -> None:
    """What lies beside it tells that it is not the way."""
    area = tmp_path / "same"
    (area / "same").mkdir(parents=True)
    (area / "same" / "file").write_text("1")
    (area / "beside").write_text("2")
    snapshot = backed_up(restic, ".", cwd=area / "same" if nested else area)
    run("restore", snapshot, "--to", tmp_path / "back")
    assert sorted(os.listdir(tmp_path / "back")) == (["file"] if nested else ["beside", "same"])


def test_a_file_alone_and_several_paths(restic: Restic, area: Path, tmp_path: Path, run: Run) -> None:
    alone = backed_up(restic, area / "fit.txt")
    run("restore", alone, "--to", tmp_path / "alone")
    assert os.listdir(tmp_path / "alone") == ["fit.txt"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    several = backed_up(restic, area, tmp_path / "other")
    run("restore", several, "--to", tmp_path / "several")
    below = tmp_path / "several" / str(tmp_path)[1:]
    assert sorted(os.listdir(below)) == ["fits", "other"]
    assert content(below / "fits") == content(area)
    titles = [one["title"] for one in run("list", "--all")["entries"]]
    assert titles[0].startswith(f"{area}, {tmp_path / 'other'} on ")


def test_it_is_compared(restic: Restic, area: Path, tmp_path: Path, run: Run) -> None:
    snapshot = backed_up(restic, area)
    assert run("diff", snapshot, "--area", area)["files"] == []
    (area / "fit.txt").write_text("fitter")
    (area / "new").write_text("new")
    told = run("diff", snapshot, "--area", area)
    assert [(one["kind"], one["path"]) for one in told["files"]] == [("changed", "fit.txt"), ("added", "new")]
    assert told["environment"] == {"fields": {}, "packages": {}}, "it says of none what it ran in"
    entry = run("snapshot", area)["entry"]
    for words, kinds in (
        ([snapshot, entry], ["changed", "added"]),
        ([entry, snapshot], ["changed", "removed"]),
    ):
        told = run("diff", *words)
        assert [one["kind"] for one in told["files"]] == kinds
        assert told["environment"] == {"fields": {}, "packages": {}}


def test_what_is_captured_where_it_was_restored_continues_it(
    restic: Restic, area: Path, tmp_path: Path, run: Run
) -> None:
    snapshot = backed_up(restic, area)
    run("restore", snapshot, "--to", tmp_path / "back")
    (tmp_path / "back" / "new").write_text("new")
    entry = run("snapshot", tmp_path / "back")["entry"]
    assert run("show", entry)["parent"].startswith(snapshot)
    parent = details(load(), entry).parent
    assert parent is not None
    assert (parent.writer, parent.snapshot[:8]) == ("restic", snapshot)
    assert [one["path"] for one in run("diff", entry)["files"]] == ["new"]
    restic.check()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "machines" / "abcdefghjkmn"
    made.mkdir(parents=True)
    yield made
    companion.stop_all(made)


def test_it_is_written_as_an_image_and_served(
    restic: Restic, area: Path, tmp_path: Path, run: Run, folder: Path
) -> None:
    snapshot = backed_up(restic, area)
    assert run("image", snapshot, "-o", tmp_path / "area.iso")["files"] == 3, "the link counts"
    settings = load().using(libvirt_uri="nowhere:///")
    with opened(settings) as logbook:
        source = areas.source_in(settings, logbook, logbook.find(snapshot))
    areas.begin(settings, folder, folder.name, source, socket=str(tmp_path / "area.sock"))
    [socket] = parse_qs(urlsplit(areas.disk_url(folder)).query)["socket"]
    disk = f"driver=nbd,server.type=unix,server.path={socket}"
    words = ["qemu-img", "convert", "--image-opts", disk, "-O", "raw", str(folder / "copy")]
    subprocess.run(words, check=True, timeout=60)
    assert (folder / "copy").read_bytes() == (tmp_path / "area.iso").read_bytes()
    listed = subprocess.run(
        ["isoinfo", "-R", "-f", "-i", str(folder / "copy")], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split() == ["/deep", "/fit.txt", "/link", "/deep/er", "/deep/er/data.bin"]
    data = subprocess.run(
        ["isoinfo", "-R", "-x", "/deep/er/data.bin", "-i", str(folder / "copy")],
        capture_output=True,
        check=True,
    )
    assert data.stdout == (area / "deep" / "er" / "data.bin").read_bytes()


def test_it_is_browsed(restic: Restic, area: Path) -> None:
    snapshot = backed_up(restic, area)
    settings = load()
    assert [item.name for item in list_folder(settings, snapshot).items] == ["deep", "fit.txt", "link"]
    assert read_file(settings, snapshot, "fit.txt", 100).raw == b"fit"
    found = details(settings, snapshot)
    assert (found.entry.files, found.parent, found.children) == (2, None, [])


def test_it_hides_no_entry_in_the_bin(restic: Restic, area: Path, run: Run) -> None:
    """What a few characters may name is VML's own before it is restic's."""
    entry = run("snapshot", area)["entry"]
    run("forget", entry)
    with opened(load()) as logbook:
        own = logbook.find_forgotten(entry)
        prefix, repository = own.snapshot[:2], logbook.repository
        others = (repository.save_snapshot(Snapshot(time=own.time, tree=own.tree)) for _ in range(10_000))
        assert any(id.startswith(prefix) for id in others)
        with pytest.raises(NotFound, match=f"the entry {entry} is in the bin"):
            logbook.find(prefix)
        assert find_anywhere(logbook, prefix).id == entry


def test_it_is_not_vmls_to_change(
    restic: Restic, area: Path, tmp_path: Path, run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    snapshot = backed_up(restic, area)
    entry = run("snapshot", area)["entry"]
    for words in (
        ["edit", snapshot, "-m", "mine"],
        ["forget", entry, snapshot],
        ["unforget", snapshot],
        ["bin", "empty", snapshot],
        ["export", snapshot, "-o", str(tmp_path / "out.vml")],
    ):
        told = refused(capfd, *words)
        assert f"{snapshot} is a snapshot that restic wrote" in told, words
        assert f"`restic forget {snapshot}`" in told, words
    assert len(run("list")["entries"]) == 1, "nor was the other one forgotten"
    run("forget", entry)
    run("bin", "empty")
    run("prune")
    assert [one["short_id"] for one in restic.json("snapshots")] == [snapshot]
    restic.run("forget", snapshot)
    assert run("list", "--all")["entries"] == []
    assert f"no entry {snapshot}" in refused(capfd, "show", snapshot)


def test_a_machine_needs_a_release_to_be_chosen(restic: Restic, area: Path) -> None:
    snapshot = backed_up(restic, area)
    with pytest.raises(ReleaseUnknown, match="release"):
        restore(load(), snapshot)


LONG = Snapshot(
    time="not at all",
    tree="0" * 64,
    paths=["/" + "p" * 50_000] * 100,
    hostname="h" * 5_000,
    username="u" * 5_000,
    tags=["", "t" * 5_000, *map(str, range(1_000))],
    id="0" * 64,
)


@pytest.mark.parametrize("paths", [LONG.paths, (LONG.paths or [])[:1], [], None])
def test_what_others_say_is_bounded(restic: Restic, paths: Sequence[str] | None) -> None:
    """An entry that could not be read again would end every list."""
    import msgspec

    snapshot = msgspec.structs.replace(LONG, paths=paths)
    entry = entry_of(snapshot)
    assert msgspec.json.decode(msgspec.json.encode(entry), type=type(entry)) == entry
    with opened(load()) as logbook, logbook.repository.lock():
        empty = logbook.repository.save_tree([])
        logbook.repository.save_snapshot(msgspec.structs.replace(snapshot, tree=empty, id=""))
        (found,) = logbook.listed(Query(restic=True)).entries
        assert logbook.find(found.id).tree == empty
    assert list_entries(load()) == []
