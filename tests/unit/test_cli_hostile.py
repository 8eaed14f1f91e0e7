"""JSON that is nested a thousand times, anywhere in a logbook: every verb still ends in plain words, and does the rest.

msgspec raises Python's ``RecursionError`` for it, in fields that nobody asked for too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vml_jupyter.cli.main import main
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.repository import Snapshot
from vml_jupyter.repository.documents import Documents

NESTED = b"[" * 3000 + b"]" * 3000
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vml(settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``vml`` in this process; gives status, output and errors, among which no traceback is."""
    monkeypatch.setenv("VML_DATA", str(settings.data))
    monkeypatch.setenv("VML_CONFIG", str(settings.config))
    for name in ("VML_LOGBOOK", "VML_LOGBOOK_PASSWORD", "VML_RELEASE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return run


@pytest.fixture
def entry(vml: Run, tmp_path: Path) -> str:
    area = tmp_path / "area"
    area.mkdir()
    (area / "data").write_text("1")
    return str(told(vml, "snapshot", area)["entry"])


def told(vml: Run, *words: object) -> Any:
    status, out, err = vml(*words, "--json")
    assert status == 0, err
    return json.loads(out)


def listed(vml: Run) -> list[str]:
    return [one["id"] for one in told(vml, "list")["entries"]]


def put_in(raw: bytes) -> bytes:
    """Return an object of JSON with one more field, which is nested."""
    return raw.rstrip().removesuffix(b"}") + b',"zz":' + NESTED + b"}"


def test_a_key_file(vml: Run, entry: str, settings: Settings) -> None:
    """Key files are not encrypted: whoever can write a file can write one."""
    keys = settings.data / "logbook" / "keys"
    raw = put_in(next(keys.iterdir()).read_bytes())
    name = hashlib.sha256(raw).hexdigest()
    (keys / name).write_bytes(raw)
    assert listed(vml) == [entry]
    status, out, err = vml("check")
    assert status != 0
    assert f"keys/{name}"[:17] in out + err, "it is named"
    assert vml("prune")[0] == 0
    assert entry in vml("show", entry)[1]


def test_a_sealed_tree(vml: Run, entry: str, settings: Settings, tmp_path: Path) -> None:
    """An entry of somebody with a key, the tree of whose area is nested."""
    with opened(settings) as logbook, logbook.repository.lock():
        tree, _ = logbook.repository.save_blob(b'{"nodes":[],"zz":' + NESTED + b"}\n", "tree")
        logbook.repository.flush()
        hostile = msgspec.structs.replace(logbook.find(entry), id="hostile", snapshot="", tree="")
        logbook.add(hostile, tree)
    assert sorted(listed(vml)) == sorted([entry, "hostile"])
    status, out, err = vml("check")
    assert status != 0
    assert "hostile" in out + err, "who needs it"
    assert tree[:12] in out + err, "what is hurt"
    assert vml("restore", entry, "--to", tmp_path / "laid")[0] == 0
    assert (tmp_path / "laid" / "data").read_text() == "1"
    for words in (("restore", "hostile", "--to", tmp_path / "bad"), ("diff", entry, "hostile"), ("prune",)):
        status, out, err = vml(*words)
        assert status != 0, f"{words}: {out}"
        assert "vml: " in err, "in plain words"
    assert not (tmp_path / "bad").exists()
    assert vml("forget", "hostile")[0] == 0
    assert vml("bin", "empty")[0] == 0
    assert vml("prune")[0] == 0
    assert vml("check")[0] == 0
    assert listed(vml) == [entry]


@pytest.mark.parametrize("kind", ["index", "snapshots", "locks", "config"])
def test_a_sealed_document(vml: Run, entry: str, settings: Settings, kind: str) -> None:
    with opened(settings) as logbook:
        save_nested(logbook, kind)
    assert listed(vml) == [entry]
    status, out, err = vml("check")
    assert status != 0
    assert f"{kind}" in out + err, "it is named"
    status, _, err = vml("prune")
    assert status != 0, "pruning needs to understand everything"
    assert "vml: " in err


def test_an_entry_s_record(vml: Run, entry: str, settings: Settings) -> None:
    with opened(settings) as logbook, logbook.repository.lock():
        repository = logbook.repository
        (snapshot,) = repository.snapshots()
        area, record = repository.tree(snapshot.tree)
        raw = put_in(repository.blob((record.content or [])[0]))
        blob, _ = repository.save_blob(raw)
        root = repository.save_tree([area, msgspec.structs.replace(record, content=[blob], size=len(raw))])
        tags = [tag.replace(entry, "hostile") for tag in snapshot.tags or []]
        repository.save_snapshot(Snapshot(time=snapshot.time, tree=root, paths=snapshot.paths, tags=tags))
    found = told(vml, "list")
    assert [one["id"] for one in found["entries"]] == [entry]
    assert "nested too deeply" in found["damaged"][0]["message"]


def save_nested(logbook: Logbook, kind: str) -> None:
    depot = logbook.repository.upkeep._depot
    if kind == "config":
        raw = put_in(b'{"version":2,"id":"' + b"ab" * 32 + b'","chunker_polynomial":"25b468838dcb75"}')
        depot.store.put("config", [b"".join(depot.key.seal(raw))])
        return
    fields = {
        "index": b'{"packs":[]}',
        "snapshots": b'{"time":"2026-01-01T00:00:00Z","tree":"' + b"ab" * 32 + b'"}',
        "locks": b'{"time":"2126-01-01T00:00:00Z","exclusive":false,"hostname":"x","pid":1}',
    }
    Documents(depot.store, depot.key, logbook.repository.version).save(kind, put_in(fields[kind]))
