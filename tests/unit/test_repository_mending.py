"""What was hurt is made good: the index from the packs, lost content by the next snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest
from damage_scene import (
    HOW,
    PASSWORD,
    Scene,
    add,
    entries_in,
    hurt,
    make_scene,
)
from restic_judge import Restic

from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.upkeep import check, unlock
from vml_jupyter.logbook import Logbook


@pytest.fixture
def scene(settings: Settings, tmp_path: Path) -> Scene:
    return make_scene(settings, tmp_path)


@pytest.mark.parametrize("how", HOW)
def test_the_index_is_made_anew_from_the_packs(scene: Scene, how: str) -> None:
    unlock(scene.settings, remove_all=True)
    hurt(scene.object("index"), how, "index")
    check(scene.settings, repair_index=True)
    assert scene.check().clean
    Restic(scene.folder, PASSWORD).check()


@pytest.mark.parametrize("how", HOW)
def test_a_snapshot_of_the_same_area_heals_what_was_lost(scene: Scene, how: str) -> None:
    """What is lost is not in the repaired index, so the next snapshot stores it, for older entries too."""
    unlock(scene.settings, remove_all=True)
    hurt(scene.object("data"), how, "data")
    assert entries_in(check(scene.settings, read_data=True, repair_index=True)) == {scene.first}
    logbook = Logbook.open(str(scene.folder), PASSWORD)
    add(logbook, scene.areas[scene.first])
    logbook.close()
    lost = {file for finding in scene.check().findings for one in finding.affected for file in one.files}
    assert lost <= {"(the entry's record)"}, "which no other entry has"
