"""Which entry a working area continues: what makes a branch in the logbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from vml_jupyter.flows.bin import forget
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.preview import preview
from vml_jupyter.flows.settings import Settings


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "fits"
    area.mkdir()
    (area / "a.txt").write_text("a")
    return area


def test_an_entry_that_is_restored_and_captured_again_has_two_futures(
    settings: Settings, area: Path, tmp_path: Path
) -> None:
    first = capture(settings, area, title="first")
    second = capture(settings, area, title="second")
    restore_files(settings, first.id, tmp_path / "again")
    assert preview(settings, tmp_path / "again").parent == first.id
    branch = capture(settings, tmp_path / "again", title="branch")
    assert (first.parent, second.parent, branch.parent) == ("", first.id, first.id)
    assert branch.new_bytes < 2_000, "what is in its parent is not written again"
    assert capture(settings, tmp_path / "again", title="on").parent == branch.id


def test_what_cannot_be_known_any_more_starts_anew(settings: Settings, area: Path, tmp_path: Path) -> None:
    first = capture(settings, area, title="first")
    restore_files(settings, first.id, tmp_path / "again")
    forget(settings, [first.id])
    assert capture(settings, tmp_path / "again", title="alone").parent == ""
    restore_files(settings, capture(settings, area, title="x").id, tmp_path / "third")
    for file in (settings.data / "origins").iterdir():
        file.write_bytes(b"\xff")
    assert capture(settings, tmp_path / "third", title="alone, too").parent == ""
