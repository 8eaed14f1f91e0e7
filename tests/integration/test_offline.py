"""A computer without any network on which everything needed lies: restore works, and nothing waits for anybody."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import named_release
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import probe_accelerator
from vml_jupyter.release.mini import recipe

from .conftest import Vml

pytestmark = pytest.mark.machine

VML = shlex.join([sys.executable, "-m", "vml_jupyter.cli.main"])
MACHINES = shlex.join(
    [sys.executable, "-c", "import json, sys; [print(m['id']) for m in json.load(sys.stdin)['machines']]"]
)
NEWEST = recipe.BOOTLOADERS[-1].version


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can take the network away from libvirt's daemon, too"
)
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("nothing_left")
def test_restores_in_two_bootloaders_without_network(
    machine_settings: Settings, environ: dict[str, str], vml: Vml, dimuon: Path, tmp_path: Path
) -> None:
    systems = {system.version: system for system in (recipe.SYSTEMS[0], recipe.SYSTEMS[1])}
    probe_accelerator(
        machine_settings.cache
    )  # once, not by both restores while they compete for the processors
    entries = {}
    for version in systems:
        provide(machine_settings, named_release(machine_settings, version))
        entries[version] = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", version)[
            "entry"
        ]
    restores = "\n".join(
        f"{VML} restore {entry} --release {version} --json >{tmp_path}/{version}.json 2>{tmp_path}/{version}.err &"
        for version, entry in entries.items()
    )
    script = f"""
        ip link set lo up
        {restores}
        wait
        {VML} releases --json >{tmp_path}/releases.json
        for machine in $({VML} machines --json | {MACHINES}); do {VML} delete $machine --json; done
    """
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], env=environ, capture_output=True, text=True, timeout=380
    )
    assert done.returncode == 0, done.stderr
    for version in systems:
        said = (tmp_path / f"{version}.err").read_text()
        assert "does not answer" not in said, "nobody was asked"
        restored = json.loads((tmp_path / f"{version}.json").read_text())
        assert restored.get("error") is None, said
        release = restored["release"]
        assert (release["system"], release["bootloader"]) == (version, systems[version].bootloader or NEWEST)
        waiting = {stage: restored["seconds"][stage] for stage in ("entry", "find")}
        assert max(waiting.values()) < 2, waiting
    listed = json.loads((tmp_path / "releases.json").read_text())["releases"]
    here = {line["release"]["system"] for line in listed if line["state"] == "here"}
    assert here >= set(systems), "what was told before counts"
