"""Entries go from one logbook to another in one file, which restic reads alone, and which is never believed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from vml_jupyter.cli.main import main
from vml_jupyter.errors import Foreign, SecretsFound, Usage, WouldOverwrite
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import edit, find_entry, list_entries, opened
from vml_jupyter.flows.export import export
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.importing import import_file
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.trust import trust, trusted
from vml_jupyter.model import Entry
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.archive import Archive
from vml_jupyter.repository.archive_store import ArchiveStore

SECRET = b'password = "hunter2horse"\n'


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Settings:
    """The settings of somebody else."""
    return settings.using(
        data=tmp_path / "other", config=tmp_path / "other-config", logbook=str(tmp_path / "other" / "logbook")
    )


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "fits"
    (area / "deep" / "er").mkdir(parents=True)
    (area / "fit.ipynb").write_text(
        json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    (area / "deep" / "er" / "data.bin").write_bytes(os.urandom(100_000))
    (area / "deep" / "link").symlink_to("er/data.bin")
    return area


@pytest.fixture
def entry(settings: Settings, area: Path) -> Entry:
    return capture(settings, area, notebook="fit.ipynb", title="Fit", note="As discussed.")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def left_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_an_entry_arrives_whole(
    settings: Settings, other: Settings, entry: Entry, area: Path, tmp_path: Path
) -> None:
    file = export(settings, [entry.id[:5]], tmp_path / "fit.vml").path

    imported = import_file(other, file).entries

    assert [(each.entry, each.outcome) for each in imported] == [(entry.id, "new")]
    there = find_entry(other, entry.id)
    assert msgspec.structs.replace(there, snapshot="") == msgspec.structs.replace(entry, snapshot="")
    restore_files(other, entry.id, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(area)
    with opened(other) as logbook:
        assert logbook.repository.upkeep.check(read_data=True).findings == ()


def test_restic_reads_it_alone(settings: Settings, entry: Entry, area: Path, tmp_path: Path) -> None:
    file = export(settings, [entry.id], tmp_path / "fit.vml").path
    folder = tmp_path / "unpacked"
    folder.mkdir()
    subprocess.run(["tar", "-xf", file, "-C", folder], check=True)

    def restic(*words: str) -> str:
        command = [
            "restic",
            "-r",
            "repository",
            "--password-file",
            "password",
            "--cache-dir",
            folder / "cache",
        ]
        return subprocess.run(
            [*command, *words], cwd=folder, check=True, capture_output=True, text=True
        ).stdout

    assert "no errors were found" in restic("check", "--read-data")
    restic("restore", "latest", "--target", "restored")
    assert contents(folder / "restored" / "area") == contents(area)
    assert json.loads(restic("dump", "latest", "/entry.json"))["id"] == entry.id
    assert f"{entry.id}  " in (folder / "README.txt").read_text()
    assert json.loads((folder / "manifest.json").read_bytes())["entries"][0]["title"] == "Fit"


def test_what_two_entries_share_is_in_it_and_stored_once(
    settings: Settings, other: Settings, entry: Entry, area: Path, tmp_path: Path
) -> None:
    (area / "more.txt").write_text("more")
    second = capture(settings, area, notebook="fit.ipynb", title="More")
    file = export(settings, [second.id, entry.id], tmp_path / "both.vml").path
    alone = export(settings, [entry.id], tmp_path / "alone.vml").path

    first = import_file(other, alone).entries
    both = import_file(other, file).entries

    assert file.stat().st_size - alone.stat().st_size < 20_000
    assert first[0].new_bytes > 100_000
    assert [(each.entry, each.outcome) for each in both] == [(entry.id, "here"), (second.id, "new")]
    assert both[1].new_bytes < 5_000
    assert {each.id: each.parent for each in list_entries(other)}[second.id] == entry.id


def test_nothing_changes_where_it_is_here_already(settings: Settings, entry: Entry, tmp_path: Path) -> None:
    file = export(settings, [entry.id], tmp_path / "fit.vml").path
    edit(settings, entry.id, title="My own words")

    imported = import_file(settings, file).entries[0]

    assert imported.outcome == "here"
    assert "left as it is" in imported.note
    assert [each.title for each in list_entries(settings)] == ["My own words"]
    assert not trusted(settings).is_foreign(entry.id)


def test_an_id_that_is_anothers_is_taken_under_a_new_one(
    settings: Settings, other: Settings, entry: Entry, area: Path, tmp_path: Path
) -> None:
    (area / "conn.py").write_bytes(SECRET)
    second = capture(settings, area, notebook="fit.ipynb", title="With a password")
    file = export(settings, [second.id], tmp_path / "less.vml", leave_out=True).path

    imported = [import_file(settings, file).entries[0] for _ in range(2)]

    assert [each.outcome for each in imported] == ["renamed", "here"]
    assert imported[0].entry == imported[1].entry != second.id
    assert find_entry(settings, imported[0].entry).imported_as == second.id
    assert import_file(other, file).entries[0].entry == second.id


def test_who_trusted_an_id_did_not_trust_whatever_comes_under_it(
    settings: Settings, other: Settings, entry: Entry, tmp_path: Path
) -> None:
    trusted(other).add(entry.id)
    file = export(settings, [entry.id], tmp_path / "fit.vml").path

    taken = import_file(other, file).entries[0].entry

    assert taken != entry.id
    assert taken not in trusted(other)


def test_imported_entries_are_foreign_until_trusted(
    settings: Settings, other: Settings, entry: Entry, tmp_path: Path
) -> None:
    import_file(other, export(settings, [entry.id], tmp_path / "fit.vml").path)

    assert trusted(other).is_foreign(entry.id)
    assert entry.id not in trusted(other)
    trust(other, entry.id[:6])
    assert entry.id in trusted(other)
    assert not trusted(other).is_foreign(entry.id)


def test_secrets_are_named_and_nothing_is_written(settings: Settings, area: Path, tmp_path: Path) -> None:
    (area / "deep" / "conn.py").write_bytes(SECRET)
    entry = capture(settings, area, notebook="fit.ipynb", note='token_password = "aBcd1234efgh"')
    before = left_in(tmp_path)

    with pytest.raises(SecretsFound, match="2 things in 2 files") as caught:
        export(settings, [entry.id], tmp_path / "fit.vml")

    assert {each["path"] for each in caught.value.findings} == {"deep/conn.py", "entry.json"}
    assert "hunter2" not in str(caught.value.findings)
    assert left_in(tmp_path) == before


def test_secrets_are_left_out_when_asked(
    settings: Settings, other: Settings, area: Path, tmp_path: Path
) -> None:
    (area / "deep" / "conn.py").write_bytes(SECRET)
    entry = capture(settings, area, notebook="fit.ipynb", note='token_password = "aBcd1234efgh"')

    exported = export(settings, [entry.id], tmp_path / "fit.vml", leave_out=True)
    import_file(other, exported.path)

    assert exported.left_out == ("deep/conn.py", "entry.json")
    restore_files(other, entry.id, tmp_path / "again")
    assert set(contents(tmp_path / "again")) == {"fit.ipynb", "deep/er/data.bin", "deep/link"}
    there = find_entry(other, entry.id)
    assert there.note == "Left out when this was exported: deep/conn.py, entry.json."
    assert there.files == entry.files - 1
    with Archive.open(exported.path) as archive:
        repository = Repository.open(ArchiveStore(archive), archive.read("password", 100).decode().strip())
        assert not repository.has_blob(hashlib.sha256(SECRET).hexdigest())
        repository.close()


def test_secrets_are_shared_when_asked(settings: Settings, area: Path, tmp_path: Path) -> None:
    (area / "conn.py").write_bytes(SECRET)
    entry = capture(settings, area, notebook="fit.ipynb")

    exported = export(settings, [entry.id], tmp_path / "fit.vml", allow_secrets=True)

    assert [each.path for each in exported.findings] == ["conn.py"]
    assert exported.left_out == ()


def test_a_file_that_is_there_stays(settings: Settings, entry: Entry, tmp_path: Path) -> None:
    file = tmp_path / "fit.vml"
    file.write_text("mine")

    with pytest.raises(WouldOverwrite):
        export(settings, [entry.id], file)
    assert file.read_text() == "mine"
    export(settings, [entry.id], file, overwrite=True)
    with Archive.open(file) as archive:
        assert "manifest.json" in archive.members
    link = tmp_path / "link.vml"
    link.symlink_to(file)
    with pytest.raises(WouldOverwrite):
        export(settings, [entry.id], link, overwrite=True)
    with pytest.raises(Usage, match="no folder"):
        export(settings, [entry.id], tmp_path / "none" / "fit.vml")


def test_by_the_command_line(
    settings: Settings,
    other: Settings,
    entry: Entry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def vml(whose: Settings, *words: str) -> tuple[int, dict[str, object]]:
        monkeypatch.setenv("VML_DATA", str(whose.data))
        monkeypatch.setenv("VML_CONFIG", str(whose.config))
        status = main([*words, "--json"])
        return status, json.loads(capfd.readouterr().out)

    file = str(tmp_path / "fit.vml")
    assert vml(settings, "export", entry.id, "-o", file)[1]["entries"] == [entry.id]
    assert vml(settings, "export", entry.id, "-o", file)[0] == 1
    assert vml(other, "import", file)[1]["entries"] == [
        {"entry": entry.id, "was": entry.id, "title": "Fit", "outcome": "new", "files": 2}
        | {"new_bytes": import_size(other, entry.id), "note": ""}
    ]
    assert vml(other, "show", entry.id)[1]["foreign"] is True
    assert vml(other, "trust", entry.id)[1] == {"entry": entry.id, "trusted": True}
    assert "foreign" not in vml(other, "show", entry.id)[1]


def import_size(settings: Settings, entry_id: str) -> int:
    """Return the bytes that the packs of a logbook with this one entry hold of the working area."""
    with opened(settings) as logbook:
        tree = logbook.find(entry_id).tree
        ids, total, waiting = set(), 0, [tree]
        while waiting:
            id = waiting.pop()
            total += logbook.repository._reader.place(id, "tree")[1].length
            for node in logbook.repository.tree(id):
                ids.update(node.content or ())
                waiting += [node.subtree] if node.subtree else []
        return total + sum(logbook.repository.place(id)[1].length for id in ids)


@pytest.fixture
def good(settings: Settings, entry: Entry, tmp_path: Path) -> bytes:
    return export(settings, [entry.id], tmp_path / "good.vml").path.read_bytes()


def refused(settings: Settings, tmp_path: Path, data: bytes) -> str:
    """Import something, and return why that was refused; nothing of it may be there."""
    file = tmp_path / "bad.vml"
    file.write_bytes(data)
    before = left_in(tmp_path) | {settings.data.name, settings.config.name}
    with pytest.raises(Foreign) as caught:
        import_file(settings, file)
    assert left_in(tmp_path) <= before
    assert list_entries(settings) == []
    return caught.value.message


def packed(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for key, value in fields.items():
        setattr(header, key, value)
    return header, content


HOSTILE = {
    "up": (packed(member("repository/../../evil")), "which no export has"),
    "absolute": (packed(member("/etc/passwd")), "which no export has"),
    "symlink": (
        packed(member("password", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        "no export has",
    ),
    "hard link": (packed(member("password", b"", type=tarfile.LNKTYPE, linkname="config")), "no export has"),
    "device": (packed(member("password", b"", type=tarfile.CHRTYPE)), "which no export has"),
    "folder": (packed(member("evil/", b"", type=tarfile.DIRTYPE)), "which no export has"),
    "twice": (packed(member("password"), member("password")), "holds password twice"),
    "long name": (packed(member("a" * 300), format=tarfile.GNU_FORMAT), "which no export has"),
    "pax": (packed(member("é" * 90), format=tarfile.PAX_FORMAT), "which no export has"),
    "empty": (b"", "its end is missing"),
    "nothing in it": (bytes(10240), "it is empty"),
    "no archive": (b"PK\3\4" + bytes(2000), "no archive of `vml export`"),
    "only a password": (packed(member("password")), "has no manifest.json"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives_are_refused(other: Settings, tmp_path: Path, kind: str) -> None:
    data, why = HOSTILE[kind]

    assert why in refused(other, tmp_path, data)


def test_a_size_beyond_the_end_is_refused(other: Settings, tmp_path: Path) -> None:
    header, _ = member("password")
    for size in (10**9, 8 << 30, -1):
        header.size = size
        block = header.tobuf(tarfile.GNU_FORMAT)[:512].replace(b"ustar  \0", b"ustar\x0000")
        told = refused(other, tmp_path, block + bytes(1024))
        assert "beyond its end" in told or "cannot be used" in told


def test_something_behind_the_end_is_refused(other: Settings, tmp_path: Path, good: bytes) -> None:
    assert "behind its end" in refused(other, tmp_path, good + b"evil")
    assert "behind its end" in refused(other, tmp_path, good + bytes(2 << 20))


def test_another_format_is_said(settings: Settings, other: Settings, tmp_path: Path, good: bytes) -> None:
    assert "has the format 7" in refused(other, tmp_path, rewritten(good, manifest=b'"format": 7'))


def rewritten(good: bytes, manifest: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(good)) as archive:
        members = [
            (each, archive.extractfile(each).read() if each.isfile() else b"")
            for each in archive.getmembers()
        ]
    changed = []
    for header, content in members:
        if header.name == "manifest.json":
            content = content.replace(b'"format": 1', manifest)
            header.size = len(content)
        changed.append((header, content))
    return packed(*changed)


@tuned(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), end=st.booleans(), data=st.binary(min_size=1, max_size=8))
def test_whatever_is_changed_or_cut_is_refused_or_harmless(
    other: Settings, entry: Entry, tmp_path: Path, good: bytes, at: float, end: bool, data: bytes
) -> None:
    """An altered file gives what was exported, or is refused; there is no third way."""
    place = int(at * len(good))
    changed = good[:place] if end else good[:place] + data + good[place + len(data) :]
    file = tmp_path / "changed.vml"
    file.write_bytes(changed)
    mine = other.using(data=tmp_path / "fresh", logbook=str(tmp_path / "fresh" / "logbook"))
    subprocess.run(["rm", "-rf", tmp_path / "fresh", tmp_path / "other-config"], check=True)

    try:
        import_file(mine, file)
    except Foreign:
        assert list_entries(mine) == []
    else:
        there = find_entry(mine, entry.id)
        assert (there.tree, there.title, there.environment) == (entry.tree, entry.title, entry.environment)


def forged(path: Path, make: Callable[[Repository], None]) -> Path:
    """Write an archive that is sound as one, and whose repository holds what ``make`` puts there."""
    with Archive.create(path) as archive:
        archive.add("password", [b"known"])
        repository = Repository.create(ArchiveStore(archive), "known", scrypt_n=1024)
        with repository.lock():
            make(repository)
        repository.close()
        archive.add("manifest.json", [b'{"format": 1, "program": "evil", "entries": []}'])
        archive.finish()
    return path


def evil_entry(repository: Repository, nodes: list[Node], record: bytes = b"") -> None:
    tree = repository.save_tree(nodes)
    record = record or msgspec.json.encode(
        {"id": "evil", "time": "2026-01-01T00:00:00Z", "title": "Evil", "environment": {}}
    )
    blob, _ = repository.save_blob(record)
    root = repository.save_tree(
        [
            Node(name="area", type="dir", subtree=tree),
            Node(name="entry.json", type="file", content=[blob], size=len(record)),
        ]
    )
    repository.save_snapshot(Snapshot(time="2026-01-01T00:00:00Z", tree=root, tags=["vml", "entry:evil"]))


FORGED: dict[str, Callable[[Repository], None]] = {
    "a name with a slash": lambda repository: evil_entry(repository, [Node(name="../evil", type="file")]),
    "a name twice": lambda repository: evil_entry(repository, [Node(name="a", type="file")] * 2),
    "content that is not there": lambda repository: evil_entry(
        repository, [Node(name="a", type="file", content=["0" * 64])]
    ),
    "a folder that is not there": lambda repository: evil_entry(
        repository, [Node(name="a", type="dir", subtree="0" * 64)]
    ),
    "a record that is none": lambda repository: evil_entry(repository, [], b"{}"),
    "another entry's record": lambda repository: evil_entry(
        repository, [], b'{"id": "b", "time": "2026-01-01T00:00:00Z", "title": "", "environment": {}}'
    ),
    "an unknown kind": lambda repository: evil_entry(repository, [Node(name="a", type="portal")]),
    "no entry": lambda repository: None,
}


@pytest.mark.parametrize("kind", FORGED)
def test_hostile_repositories_are_refused(other: Settings, tmp_path: Path, kind: str) -> None:
    file = forged(tmp_path / "forged.vml", FORGED[kind])

    refused(other, tmp_path, file.read_bytes())


def test_a_bomb_is_refused(other: Settings, tmp_path: Path) -> None:
    """Sixty-four different pieces of 32 MiB of almost nothing, in less than a megabyte."""

    def bomb(repository: Repository) -> None:
        zeros = bytes(32 << 20)
        ids = [repository.save_blob(zeros[:-4] + number.to_bytes(4, "big"))[0] for number in range(64)]
        evil_entry(repository, [Node(name="bomb", type="file", content=ids, size=64 << 25)])

    data = forged(tmp_path / "forged.vml", bomb).read_bytes()

    assert len(data) < 1 << 20
    assert "far more than a file of its size" in refused(other, tmp_path, data)
