"""A preview tells to the byte what a snapshot would cost, and writes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vml_jupyter.errors import BadArea
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.preview import preview
from vml_jupyter.flows.settings import Settings


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "area"
    (area / "__pycache__").mkdir(parents=True)
    (area / "__pycache__" / "a.pyc").write_text("")
    (area / "sub").mkdir()
    (area / "sub" / ".vmlignore").write_text("*.log\n")
    for name in ("a.log", "b.log", "c.txt"):
        (area / "sub" / name).write_text(name)
    for size in range(12):
        (area / f"f{size}").write_bytes(os.urandom(1000 + size))
    (area / "large").write_bytes(os.urandom(5_000_000))
    return area


def files(settings: Settings) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in Path(settings.logbook).rglob("*")}


def test_it_is_right_to_the_byte(settings: Settings, area: Path) -> None:
    for title in ("first", "unchanged", "one changed"):
        if title == "one changed":
            (area / "large").write_bytes((area / "large").read_bytes() + b"more")
        before = files(settings)
        seen = preview(settings, area)
        assert files(settings) == before
        entry = capture(settings, area, title=title)
        assert (seen.files, seen.bytes, seen.new_bytes) == (entry.files, entry.bytes, entry.new_bytes)
        assert seen.parent == entry.parent
        assert (seen.new_bytes == 0) == (title == "unchanged")


def test_a_logbook_that_is_not_there_yet_is_not_made(settings: Settings, area: Path) -> None:
    assert preview(settings, area).new_bytes > 5_000_000
    assert not settings.data.exists()
    assert not settings.config.exists()


def test_the_largest_and_what_stays_out(settings: Settings, area: Path) -> None:
    seen = preview(settings, area)
    assert [file.path for file in seen.largest] == ["large", *(f"f{size}" for size in range(11, 2, -1))]
    assert [(rule.pattern, rule.file, rule.count) for rule in seen.ignored] == [
        ("*.log", "sub/.vmlignore", 2),
        ("__pycache__/", "", 1),
    ]


def test_it_does_not_wait_for_a_lock_and_leaves_others_alone(settings: Settings, area: Path) -> None:
    capture(settings, area)
    with opened(settings) as logbook, logbook.repository.lock(exclusive=True):
        before = files(settings)
        assert preview(settings, area).new_bytes == 0
        assert files(settings) == before


def test_an_area_that_is_none(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadArea):
        preview(settings, tmp_path / "absent")
