"""What changed between two entries, or since one: files, notebooks cell by cell, environments."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from restic_judge import Restic

from vml_jupyter.errors import BadNotebook, Foreign, NotFound
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.diff import Diff, compare_environments, diff
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.notebook_diff import CellChange, diff_notebooks
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Environment, Release
from vml_jupyter.repository import Node, Repository, memory_store
from vml_jupyter.snapshot import lay
from vml_jupyter.snapshot.compare import compare


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    (area / "same" / "deep").mkdir(parents=True)
    (area / "same" / "deep" / "file").write_text("same")
    (area / "gone" / "below").mkdir(parents=True)
    (area / "gone" / "below" / "file").write_text("12345")
    (area / "grows").write_bytes(b"x" * 3_000_000)
    (area / "mode").write_text("")
    (area / "turns").write_text("into a folder")
    (area / "link").symlink_to("here")
    return area


def change(area: Path) -> None:
    shutil.rmtree(area / "gone")
    (area / "grows").write_bytes(b"x" * 2_999_999 + b"y")
    (area / "mode").chmod(0o600)
    (area / "turns").unlink()
    (area / "turns").mkdir()
    (area / "turns" / "in").write_text("1")
    (area / "link").unlink()
    (area / "link").symlink_to("there")
    (area / "new").write_text("ab")
    os.utime(area / "same" / "deep" / "file", (1, 1))


CHANGES = [
    ("changed", "grows", ("content",)),
    ("removed", "gone", ()),
    ("removed", "gone/below", ()),
    ("removed", "gone/below/file", ()),
    ("changed", "link", ("target",)),
    ("changed", "mode", ("mode",)),
    ("added", "new", ()),
    ("changed", "turns", ("type",)),
    ("added", "turns/in", ()),
]


def told(found: Diff) -> list[tuple[Any, ...]]:
    return sorted((one.kind, one.path, one.what) for one in found.files)


def test_two_entries_and_the_area(settings: Settings, area: Path) -> None:
    first = capture(settings, area, title="first")
    change(area)
    against_area = diff(settings, first.id, area=area)
    second = capture(settings, area, title="second")
    between = diff(settings, first.id, second.id)
    assert told(between) == told(against_area) == sorted(CHANGES)
    assert diff(settings, second.id) == between, "alone, an entry is compared with its parent"
    assert {kind: count.files for kind, count in between.counts.items()} == {
        "added": 2,
        "removed": 1,
        "changed": 4,
    }
    assert between.counts["removed"].bytes == 5
    assert diff(settings, second.id, area=area).files == []
    assert between.environment.packages == {}
    with pytest.raises(NotFound, match="no parent"):
        diff(settings, first.id)


def test_a_restored_area_is_the_same(settings: Settings, area: Path, tmp_path: Path) -> None:
    """Inodes and times differ, and the files are cut by their content, not compared by it alone."""
    entry = capture(settings, area)
    with opened(settings) as logbook:
        lay(logbook.repository, entry.tree, tmp_path / "laid")
    assert diff(settings, entry.id, area=tmp_path / "laid").files == []
    other = capture(settings, tmp_path / "laid")
    assert other.tree != entry.tree
    assert diff(settings, entry.id, other.id).files == []


def test_the_same_bytes_cut_by_another_program_are_the_same(settings: Settings, area: Path) -> None:
    (area / "grows").write_bytes(os.urandom(9_000_000))
    entry = capture(settings, area)
    restic = Restic(Path(settings.logbook), settings.password() or "")
    restic.run("backup", area)
    with opened(settings) as logbook:
        (other,) = (one for one in logbook.repository.snapshots() if not one.tags)
        tree = other.tree
        for part in area.parts[1:]:
            (node,) = (node for node in logbook.repository.tree(tree) if node.name == part)
            tree = node.subtree or ""
        assert tree != entry.tree
        assert list(compare(logbook.repository, entry.tree, tree)) == []


def test_only_trees_that_differ_are_read(
    area: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = capture(settings, area)
    (area / "new").write_text("")
    second = capture(settings, area)
    with opened(settings) as logbook:
        repository, read = logbook.repository, list[str]()
        tree = repository.tree
        monkeypatch.setattr(repository, "tree", lambda id: (read.append(id), tree(id))[1])
        assert [one.path for one in compare(repository, first.tree, second.tree)] == ["new"]
    assert read == [first.tree, second.tree]


def test_trees_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.create(memory_store(), "x", scrypt_n=1024)
    with repository.lock():
        tree = repository.save_tree([])
        for _ in range(30):  # a billion folders
            tree = repository.save_tree([Node(name=name, type="dir", subtree=tree) for name in "ab"])
        deep = repository.save_tree([])
        for _ in range(4200):
            deep = repository.save_tree([Node(name="a", type="dir", subtree=deep)])
        empty = repository.save_tree([])
        repository.flush()
    monkeypatch.setattr(sys.modules["vml_jupyter.snapshot.compare"], "_MOST", 10_000)
    for hostile in (tree, deep):
        with pytest.raises(Foreign):
            list(compare(repository, hostile, empty))


def cell(source: str, **fields: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], **fields}


def notebook(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}).encode()


@pytest.mark.parametrize("with_ids", [True, False])
def test_cells_are_told_one_by_one(with_ids: bool) -> None:
    cells = [cell(f"x = {n}\ny = 1", **({"id": f"c{n}"} if with_ids else {})) for n in range(5)]
    output = {"output_type": "stream", "name": "stdout", "text": "2"}
    changed = {**cells[1], "source": "x = 1\ny = 2", "outputs": [output]}
    new = {**cell("new"), "cell_type": "markdown", **({"id": "new"} if with_ids else {})}
    found = diff_notebooks(notebook(*cells), notebook(cells[0], changed, cells[2], new, cells[3]))
    assert [(one.kind, one.before, one.after) for one in found.cells] == [
        ("changed", 1, 1),
        ("added", None, 3),
        ("removed", 4, None),
    ]
    assert set(found.cells[0].what) == {"source", "outputs"}
    assert "-  y = 1" in found.text
    assert "+  y = 2" in found.text
    assert found.nbdime[0]["key"] == "cells"


def test_a_large_notebook_is_compared_all_the_same() -> None:
    """Cells without ids, all of them changed, and megabytes of output: nbdime alone would take minutes."""
    versions = [
        notebook(
            *(
                cell(
                    "\n".join(f"{version} {n} {line}" for line in range(20)),
                    outputs=[{"output_type": "stream", "name": "stdout", "text": f"{version}\n" * 5000}],
                )
                for n in range(200)
            ),
            cell("\n".join(f"{version} {line}" for line in range(20_000))),
        )
        for version in (1, 2)
    ]
    found = diff_notebooks(*versions)
    assert len(found.cells) == 201
    assert "too long to be compared here" in found.text


def test_what_is_no_notebook() -> None:
    good = notebook(cell("1"))
    deep = b'{"nbformat":4,"cells":[{"cell_type":"code","metadata":{"a":' + b"[" * 100_000
    for bad in (b"", b"{}", b"\xff", b'{"nbformat":4,"cells":[{"cell_type":3}]}', b"[" * 100_000, deep):
        with pytest.raises(BadNotebook):
            diff_notebooks(good, bad)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_dict = st.dictionaries(st.sampled_from(["text/plain", "image/png", "a"]), _json, max_size=2)
_outputs = st.fixed_dictionaries(
    {"output_type": st.sampled_from(["stream", "error", "display_data", "execute_result", "odd"])},
    optional={"text": st.text(max_size=5), "data": _dict, "metadata": _dict, "ename": st.text(max_size=3)},
)
_cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw", "odd"]), "source": st.text(max_size=9)},
    optional={"metadata": _dict, "outputs": st.lists(_outputs, max_size=2), "id": st.sampled_from("ab")},
)
_notebooks = st.lists(_cells, max_size=4).map(lambda cells: notebook(*cells))


@hypothesis.given(_notebooks, _notebooks)
@hypothesis.settings(max_examples=80)
def test_whatever_colleagues_write_is_compared(before: bytes, after: bytes) -> None:
    found = diff_notebooks(before, after)
    cells = [len(json.loads(raw)["cells"]) for raw in (before, after)]
    added = sum(one.kind == "added" for one in found.cells)
    removed = sum(one.kind == "removed" for one in found.cells)
    assert cells[0] + added - removed == cells[1]
    assert diff_notebooks(before, before).cells == list[CellChange]()


def test_a_broken_notebook_is_told_as_a_file(settings: Settings, area: Path) -> None:
    (area / "fit.ipynb").write_bytes(notebook(cell("1")))
    (area / "broken.ipynb").write_bytes(notebook(cell("1")))
    first = capture(settings, area)
    (area / "fit.ipynb").write_bytes(notebook(cell("2")))
    (area / "broken.ipynb").write_bytes(b"{")
    for found in (diff(settings, first.id, area=area), diff(settings, first.id, capture(settings, area).id)):
        assert [one.path for one in found.files] == ["broken.ipynb", "fit.ipynb"]
        broken, fit = found.notebooks
        assert "no notebook" in broken.why_not
        assert fit.diff is not None
        assert [one.what for one in fit.diff.cells] == [("source",)]


def test_environments() -> None:
    before = Environment(
        python="3.9",
        release=Release(system="4.5.0.1"),
        packages={"a": "1", "b": "1", "Ruamel.yaml": "3"},
    )
    after = Environment(
        python="3.11", release=Release(system="4.5.0.1"), packages={"b": "2", "c": "1", "ruamel-yaml": "3"}
    )
    found = compare_environments(before, after)
    assert found.fields == {"python": ("3.9", "3.11")}
    assert found.packages == {"a": ("1", None), "b": ("1", "2"), "c": (None, "1")}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_what_cannot_be_read_is_told(settings: Settings, area: Path) -> None:
    entry = capture(settings, area)
    (area / "grows").chmod(0)
    assert "grows" in diff(settings, entry.id, area=area).unreadable[0]
    assert stat.S_IMODE((area / "grows").stat().st_mode) == 0


@pytest.mark.parametrize("cross_mounts", [False, True])
def test_what_is_mounted_counts_if_the_entry_has_it(
    settings: Settings, area: Path, tmp_path: Path, cross_mounts: bool
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "far").write_text("far")
    (tmp_path / "file").write_text("far")
    (area / "folder").mkdir()
    (area / "disk").mkdir()
    (area / "file").touch()
    mounts = {
        "folder": ["--bind", str(tmp_path / "outside")],
        "file": ["--bind", str(tmp_path / "file")],
        "disk": ["-t", "tmpfs", "tmpfs"],
    }
    for target, what in mounts.items():
        command = ["mount", *what, str(area / target)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount")
    try:
        (area / "disk" / "far").write_text("far")
        entry = capture(settings, area, cross_mounts=cross_mounts)
        assert entry.files == (8 if cross_mounts else 5)
        assert diff(settings, entry.id, area=area).files == []
        (area / "folder" / "far").write_text("farther")
        (area / "file").write_text("farther")
        found = [(one.kind, one.path) for one in diff(settings, entry.id, area=area).files]
    finally:
        for target in mounts:
            subprocess.run(["umount", str(area / target)], check=True)
    assert found == ([("changed", "file"), ("changed", "folder/far")] if cross_mounts else [])
