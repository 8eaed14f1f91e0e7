"""What the mini release publishes is what pins can name, and what was published once is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from vml_jupyter.flows.releases import list_releases
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.history import dated_systems, tags
from vml_jupyter.release.mini import recipe

from .conftest import Vml


def test_histories_and_catalogs_agree_with_the_recipe(release_url: str, mini_repository: Path) -> None:
    listed = {each.release.system: each for each in dated_systems(release_url)}
    assert {name: (each.release.root_hash, each.time, each.bootloader) for name, each in listed.items()} == {
        system.version: (system.root_hash, system.published, system.bootloader) for system in recipe.SYSTEMS
    }
    for fqrn in (recipe.REPOSITORY, recipe.REVISIONS[0].fqrn):
        for tag in tags(release_url, fqrn):
            name = tag.root_hash
            catalog = mini_repository / "cvmfs" / fqrn / "data" / name[:2] / f"{name[2:]}C"
            assert catalog.is_file(), f"{tag.name} of {fqrn} cannot be fetched"


@pytest.mark.parametrize("bootloader", recipe.BOOTLOADERS, ids=lambda bootloader: bootloader.version)
def test_every_bootloader_is_published_with_its_digest(
    bootloader: recipe.Bootloader, mini_repository: Path
) -> None:
    image = mini_repository / bootloader.path
    assert image.is_file()
    assert not image.is_symlink()
    assert len(image.with_name(f"{image.name}.sha256").read_text()) == 65


def test_systems_are_listed_with_the_bootloader_that_their_tag_names(machine_settings: Settings) -> None:
    lines = {line.release.system: line for line in list_releases(machine_settings)}
    newest = recipe.BOOTLOADERS[-1]
    for system in recipe.SYSTEMS:
        line = lines[system.version]
        assert line.state in ("here", "downloadable")
        assert line.release.bootloader == (system.bootloader or newest.version)
        assert line.release.root_hash == system.root_hash
    assert recipe.GONE.version not in lines


def test_a_system_that_is_gone_is_said_to_be(vml: Vml, gone_entry: str) -> None:
    recorded = vml("show", gone_entry)["environment"]["release"]
    assert (recorded["system"], recorded["root_hash"]) == (recipe.GONE.version, recipe.GONE.root_hash)
    [line] = [
        each for each in vml("releases")["releases"] if each["release"]["system"] == recipe.GONE.version
    ]
    assert line["state"] == "gone"
    assert "no repository has this system any more" in line["reason"]


def test_an_entry_can_record_a_revision_that_is_gone(
    vml: Vml, gone_revision_entry: str, release_url: str
) -> None:
    mounted = vml("show", gone_revision_entry)["environment"]["cvmfs"]
    gone = recipe.GONE_REVISION
    assert (mounted[0]["fqrn"], mounted[0]["root_hash"], mounted[0]["tag"]) == (
        gone.fqrn,
        gone.root_hash,
        gone.tag,
    )
    assert gone.tag not in {tag.name for tag in tags(release_url, gone.fqrn)}
