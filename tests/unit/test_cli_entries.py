"""The command line's verbs of entries, as a terminal and as a program see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vml_jupyter.cli.main import main
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings

EVIL = "a\x1b[31m\x9b2J\u202eb\rc"


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "area"
    folder.mkdir()
    (folder / "data").write_text("1")
    return folder


class Vml:
    """``vml`` in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def json(self, *words: object) -> Any:
        status, out, err = self.run(*words, "--json")
        assert status == 0, err
        return json.loads(out)

    def run(self, *words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        return (status, *self._capfd.readouterr())


@pytest.fixture
def vml(settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Vml:
    monkeypatch.setenv("VML_DATA", str(settings.data))
    monkeypatch.setenv("VML_CONFIG", str(settings.config))
    for name in ("VML_LOGBOOK", "VML_LOGBOOK_PASSWORD", "VML_RELEASE"):
        monkeypatch.delenv(name, raising=False)
    return Vml(capfd)


def test_an_entry_is_written_edited_found_and_forgotten(vml: Vml, area: Path, tmp_path: Path) -> None:
    told = vml.json("snapshot", area, "--dry-run")
    assert (told["files"], told["bytes"], told["largest"]) == (1, 1, [{"path": "data", "bytes": 1}])
    id = vml.json("snapshot", area, "-m", "One", "--tag", "x", "--project", "P")["entry"]
    (tmp_path / "note.md").write_text("# µ\n")
    edited = vml.json(
        "edit", id, "--title", "Two", "--note-file", tmp_path / "note.md", "--tag", "+y", "--tag", "-x"
    )
    assert (edited["title"], edited["note"], edited["tags"], edited["project"]) == (
        "Two",
        "# µ\n",
        ["y"],
        "P",
    )
    assert [one["id"] for one in vml.json("list", "--search", "two µ", "--tag", "y")["entries"]] == [id]
    assert vml.json("list", "--until", "2020")["entries"] == []
    (area / "data").write_text("22")
    second = vml.json("snapshot", area)["entry"]
    files = [{"path": "data", "kind": "changed", "what": ["content"]}]
    for words in ((id, second), (second,)):
        found = vml.json("diff", *words)
        assert [{key: file[key] for key in files[0]} for file in found["files"]] == files
    assert vml.json("diff", second, "--area", area)["files"] == []
    assert vml.json("forget", id, second) == {"entries": [id, second]}
    assert len(vml.json("bin")["entries"]) == len(vml.json("list", "--bin")["entries"]) == 2
    assert vml.json("unforget", second) == {"entry": second, "entries": [second]}
    assert vml.json("bin", "empty", "--older-than", "1") == {"entries": []}
    assert vml.json("bin", "empty") == {"entry": id, "entries": [id]}
    assert vml.json("bin", "list")["entries"] == []


def test_what_others_wrote_moves_no_cursor(vml: Vml, area: Path, settings: Settings) -> None:
    (area / EVIL).write_text("")
    id = vml.json("snapshot", area, "-m", "One")["entry"]
    with opened(settings) as logbook:
        hostile = msgspec.structs.replace(logbook.find(id), title=EVIL, note=EVIL, project=EVIL, tags=(EVIL,))
        logbook.edit(hostile)
    (area / EVIL).write_text("1")
    vml.json("snapshot", area)
    for words in (
        ("list",),
        ("list", "--json"),
        ("show", id),
        ("show", id, "--json"),
        ("snapshot", area, "--dry-run"),
        ("diff", id, "--area", area),
        ("diff", id, "--area", area, "--json"),
        ("edit", id, "--tag", "more"),
        ("forget", id),
        ("bin",),
        ("unforget", id),
        ("show", EVIL),
    ):
        _, out, err = vml.run(*words)
        assert all(char.isprintable() or char == "\n" for char in out + err), words
    assert vml.json("show", id)["title"] == EVIL, "programs get what is there"


def test_a_damaged_entry_hides_no_other(vml: Vml, area: Path, settings: Settings) -> None:
    id = vml.json("snapshot", area)["entry"]
    with opened(settings) as logbook, logbook.repository.lock():
        (snapshot,) = logbook.repository.snapshots()
        broken = msgspec.structs.replace(snapshot, tree=logbook.repository.save_tree([]))
        logbook.repository.save_snapshot(broken)
    told = vml.json("list")
    assert [one["id"] for one in told["entries"]] == [id]
    assert "cannot be read" in told["damaged"][0]["message"]
    _, out, err = vml.run("list")
    assert id in out
    assert "cannot be read" in err


def test_misuse(vml: Vml, area: Path) -> None:
    id = vml.json("snapshot", area)["entry"]
    for words in (
        ("edit", id),
        ("edit", id, "--note-file", area / "absent"),
        ("edit", id, "--title", ""),
        ("list", "--since", "yesterday"),
        ("diff", id, id, "--area", area),
    ):
        assert vml.run(*words)[0] == 2, words
    with pytest.raises(SystemExit):
        vml.run("list", "--limit", "0")
