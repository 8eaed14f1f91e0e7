"""Automatic entries grow fewer with age, and nothing else does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import edit, list_entries, opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.thinning import superfluous, thin
from vml_jupyter.model import Entry, Environment, Query

NOW = datetime(2026, 3, 15, 12, tzinfo=timezone.utc)


def entry(time: datetime, **fields: object) -> Entry:
    said = {"automatic": True, "area": "/a", "notebook": "n.ipynb", **fields}
    text = time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Entry(
        id=f"e{text[:19].replace(':', '-')}", time=text, title="t", environment=Environment(), **said
    )  # type: ignore[arg-type]


def hourly(days: float) -> list[Entry]:
    return [entry(NOW - timedelta(hours=hour)) for hour in range(int(days * 24))]


def test_all_of_a_day_stay_then_one_a_day_then_one_a_month() -> None:
    entries = hourly(100)
    gone = {one.id for one in superfluous(entries, NOW)}
    left = [one for one in entries if one.id not in gone]
    ages = [NOW - datetime.fromisoformat(one.time[:19] + "+00:00") for one in left]
    assert sum(age <= timedelta(days=1) for age in ages) == 25 - (len(entries) < 25)
    in_month = [
        one.time[:10] for one, age in zip(left, ages, strict=True) if timedelta(1) < age <= timedelta(31)
    ]
    assert len(in_month) == len(set(in_month)) in (30, 31)
    older = [one.time[:7] for one, age in zip(left, ages, strict=True) if age > timedelta(31)]
    assert sorted(older) == ["2025-12", "2026-01", "2026-02"]


def test_what_was_thinned_once_is_not_thinned_again() -> None:
    entries = hourly(50)
    gone = {one.id for one in superfluous(entries, NOW)}
    assert superfluous([one for one in entries if one.id not in gone], NOW) == []


def test_entries_by_hand_edited_or_of_another_notebook_are_not_touched() -> None:
    old = NOW - timedelta(days=40)
    entries = [
        entry(old),
        entry(old - timedelta(hours=1), automatic=False),
        entry(old - timedelta(hours=2), edited="2026-02-05T00:00:00Z"),
        entry(old - timedelta(hours=3), notebook="other.ipynb"),
        entry(old - timedelta(hours=4), area="/b"),
    ]
    assert superfluous(entries, NOW) == []


def test_an_automatic_snapshot_of_what_did_not_change_makes_no_entry(
    settings: Settings, tmp_path: Path
) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (area / "x").write_text("1")
    by_hand = capture(settings, area)
    assert capture(settings, area, automatic=True).id == by_hand.id
    (area / "x").write_text("2")
    automatic = capture(settings, area, automatic=True)
    assert (automatic.automatic, automatic.parent) == (True, by_hand.id)
    assert [one.id for one in list_entries(settings)] == [automatic.id, by_hand.id]


def test_thinned_entries_are_in_the_bin(settings: Settings, tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    taken = []
    for number in range(3):
        (area / "x").write_text(str(number))
        taken.append(capture(settings, area, automatic=True))
    edit(settings, taken[0].id, title="kept by name")
    with opened(settings) as logbook:
        assert len(logbook.entries()) == 3
    assert thin(settings) == [], "they are of today"
    later = datetime.now(timezone.utc) + timedelta(days=40)
    assert [one.id for one in thin(settings, later)] == [taken[1].id]
    assert [one.id for one in list_entries(settings, Query(forgotten=True))] == [taken[1].id]
    assert msgspec.structs.replace(list_entries(settings)[0]).id == taken[2].id
