"""The bin: what is forgotten survives whoever prunes, comes back whole, and goes only when it is told to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from restic_judge import Restic

from vml_jupyter.errors import NotFound, StoreUnreachable, Usage
from vml_jupyter.flows import bin as bin_flow
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import edit, find_entry, list_entries, opened
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import document
from vml_jupyter.model import Entry, Query
from vml_jupyter.repository import Repository


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "area"
    folder.mkdir()
    (folder / "data").write_bytes(bytes(range(256)) * 999)
    return folder


@pytest.fixture
def entry(settings: Settings, area: Path) -> Entry:
    return capture(settings, area, title="One", project="P", tags=["a", "a", "b"])


def test_what_is_in_the_bin_survives_a_prune_by_restic(
    settings: Settings, entry: Entry, tmp_path: Path
) -> None:
    bin_flow.forget(settings, [entry.id])
    assert list_entries(settings) == []
    restic = Restic(Path(settings.logbook), settings.password() or "")
    restic.run("prune")
    assert bin_flow.unforget(settings, [entry.id])[0].environment == entry.environment
    restic.check()
    back = find_entry(settings, entry.id)
    assert msgspec.structs.replace(back, snapshot=entry.snapshot) == entry
    restore_files(settings, entry.id, tmp_path / "back")
    assert (tmp_path / "back" / "data").read_bytes() == bytes(range(256)) * 999


def test_emptying_is_for_good_and_frees_the_room(settings: Settings, entry: Entry) -> None:
    restic = Restic(Path(settings.logbook), settings.password() or "")
    with pytest.raises(NotFound):
        bin_flow.empty_bin(settings, [entry.id])  # it is not in the bin
    bin_flow.forget(settings, [entry.id])
    assert bin_flow.empty_bin(settings, older_than_days=1) == []
    assert [gone.id for gone in bin_flow.empty_bin(settings)] == [entry.id]
    assert restic.json("snapshots") == []
    restic.run("prune")
    assert list((Path(settings.logbook) / "data").rglob("*/*")) == []
    restic.check()


def test_only_what_is_old_expires(settings: Settings, entry: Entry, area: Path) -> None:
    bin_flow.forget(settings, [entry.id])
    with opened(settings) as logbook:
        assert bin_flow.empty_expired(logbook, settings) == []
        assert [gone.id for gone in bin_flow.empty_expired(logbook, settings.using(bin_days=0))] == [entry.id]
        assert logbook.repository.snapshots() == []


def test_who_tagged_without_a_time_keeps_it(settings: Settings, entry: Entry) -> None:
    with opened(settings) as logbook, logbook.repository.lock():
        (snapshot,) = logbook.repository.snapshots()
        tags = [*(snapshot.tags or []), "vml-bin", "forgotten:yesterday"]
        logbook.repository.save_snapshot(msgspec.structs.replace(snapshot, tags=tags))
        logbook.repository.delete_snapshot(snapshot.id)
        assert bin_flow.empty_expired(logbook, settings.using(bin_days=0)) == []
    assert [one.id for one in list_entries(settings, Query(forgotten=True))] == [entry.id]


def test_a_crash_while_forgetting_leaves_one_entry(
    settings: Settings, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(settings) as logbook:
        monkeypatch.setattr(logbook.repository, "delete_snapshot", lambda id: None)
        logbook.forget(entry.id)
        assert len(logbook.repository.snapshots()) == 2
        assert logbook.entries() == []
        assert [one.id for one in logbook.listed(Query(forgotten=True)).entries] == [entry.id]
        monkeypatch.undo()
        logbook.unforget(entry.id)
        assert len(logbook.repository.snapshots()) == 1
    assert [one.id for one in list_entries(settings)] == [entry.id]


def test_the_bin_is_told_apart(settings: Settings, entry: Entry) -> None:
    with pytest.raises(NotFound, match="not in the bin"):
        bin_flow.unforget(settings, [entry.id])
    bin_flow.forget(settings, [entry.id])
    with pytest.raises(NotFound, match="in the bin") as caught:
        find_entry(settings, entry.id)
    assert f"vml unforget {entry.id}" in caught.value.hint


def test_all_or_none_are_forgotten(settings: Settings, entry: Entry) -> None:
    with pytest.raises(NotFound):
        bin_flow.forget(settings, [entry.id, "zzzzzz"])
    assert [one.id for one in list_entries(settings)] == [entry.id]


def test_an_edit_changes_what_it_names(settings: Settings, entry: Entry, area: Path) -> None:
    assert entry.tags == ("a", "b")
    edited = edit(settings, entry.id[:4], note="*new*", add_tags=["c"], remove_tags=["a"])
    assert (edited.title, edited.note, edited.tags, edited.project) == ("One", "*new*", ("b", "c"), "P")
    assert edited.edited
    assert find_entry(settings, entry.id) == edited
    assert edit(settings, entry.id, add_tags=["b"]) == edited, "nothing to change, nothing written"
    child = capture(settings, area, title="Two")
    assert (child.parent, child.project, child.tags) == (entry.id, "P", ())


@pytest.mark.parametrize("changes", [{"title": " "}, {"title": "x" * 1001}, {"note": "x" * 100_001}])
def test_an_edit_that_nobody_could_read(settings: Settings, entry: Entry, changes: dict[str, str]) -> None:
    with pytest.raises(Usage):
        edit(settings, entry.id, **changes)  # type: ignore[arg-type]
    assert find_entry(settings, entry.id).title == "One"


def test_who_is_interrupted_while_removing_finds_in_the_bin_what_was_there(
    settings: Settings, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier interruption left the snapshot of before it was forgotten; that must not come to light again."""
    delete, deleted = Repository.delete_snapshot, list[str]()

    def refuse_after(count: int) -> None:
        def delete_some(repository: Repository, id: str) -> None:
            if len(deleted) == count:
                raise StoreUnreachable("the process is gone")
            deleted.append(id)
            delete(repository, id)

        monkeypatch.setattr(Repository, "delete_snapshot", delete_some)

    refuse_after(0)
    with pytest.raises(StoreUnreachable):
        bin_flow.forget(settings, [entry.id])
    with opened(settings) as logbook:
        count = len(logbook.repository.snapshot_ids())
    assert count == 2
    refuse_after(1)
    with pytest.raises(StoreUnreachable):
        bin_flow.empty_bin(settings)
    assert len(deleted) == 1
    assert list_entries(settings) == []
    assert [found.id for found in list_entries(settings, Query(forgotten=True))] == [entry.id]


def test_a_clock_that_stands_in_the_past_does_not_empty_the_bin(
    settings: Settings, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "now", lambda: "2000-01-01T00:00:00Z")
    bin_flow.forget(settings, [entry.id])
    assert bin_flow.empty_bin(settings, older_than_days=30) == []
    [found] = list_entries(settings, Query(forgotten=True))
    assert found.forgotten == entry.time
