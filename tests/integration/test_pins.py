"""What the mini release publishes is what pins can name, and what was published once is gone.

entry in a system that is gone -> restore stops, nothing is made -> restore --release -> a machine that tells of it
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vml_jupyter.flows.releases import list_releases
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient
from vml_jupyter.machine import Host
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


def refused(environ: dict[str, str], *words: str) -> Any:
    """Run a command that is to fail, and return the error that it tells as JSON."""
    command = [sys.executable, "-m", "vml_jupyter.cli.main", *words, "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout)["error"]


@pytest.mark.parametrize("kind", ["system", "revision"])
def test_a_restore_stops_before_a_machine_is_made(
    kind: str,
    environ: dict[str, str],
    vml: Vml,
    machine_settings: Settings,
    gone_entry: str,
    gone_revision_entry: str,
) -> None:
    error = refused(environ, "restore", gone_entry if kind == "system" else gone_revision_entry)
    assert error["code"] == "pin-gone"
    choices = [(choice["option"], choice["value"]) for choice in error["choices"]]
    if kind == "system":
        assert f"CernVM {recipe.GONE.version}" in error["message"]
        assert {value for _, value in choices} == {system.version for system in recipe.SYSTEMS}
        assert {option for option, _ in choices} == {"release"}
        assert f"--release {choices[0][1]}" in error["hint"]
    else:
        assert f"revision {recipe.GONE_REVISION.revision}" in error["message"]
        assert choices == [("without-pin", recipe.GONE_REVISION.fqrn)]
    assert vml("machines")["machines"] == []
    assert not machine_settings.machines.exists()


@pytest.mark.machine
@pytest.mark.warm(recipe.SYSTEMS[1].version)
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("nothing_left")
def test_what_was_chosen_instead_is_told_for_as_long_as_the_machine_lives(
    environ: dict[str, str], vml: Vml, machine_settings: Settings, gone_entry: str
) -> None:
    chosen = recipe.SYSTEMS[1]
    assert refused(environ, "restore", gone_entry)["code"] == "pin-gone"
    report = vml("restore", gone_entry, "--release", chosen.version)
    difference = {
        "what": "release",
        "recorded": f"CernVM {recipe.GONE.version}",
        "here": f"CernVM {chosen.version}",
    }
    assert difference in report["differences"]
    with Host.connect(machine_settings.libvirt_uri, machine_settings.data) as host:
        inside = AgentClient(host.spec(report["machine"]).agent_socket).state(timeout_s=60).release
    assert inside is not None
    assert (inside.system, inside.root_hash) == (chosen.version, chosen.root_hash)

    label = f"CernVM {chosen.version} instead of {recipe.GONE.version}"
    for state in ("running", "stopped"):
        if state == "stopped":
            vml("stop", report["machine"])
        [listed] = vml("machines")["machines"]
        assert (listed["state"], listed["differences"]) == (state, report["differences"])
        words = [sys.executable, "-m", "vml_jupyter.cli.main", "machines"]
        told = subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout
        assert label in told
    vml("delete", report["machine"])
