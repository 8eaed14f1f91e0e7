"""A computer whose network swallows everything, with all that is needed: restore works, and nobody is waited for.

restore, show, releases     in a network from which nothing comes back, neither an answer nor a refusal
pins                        the one stage of a restore that asks servers: two seconds for all of them together
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import named_release
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import probe_accelerator, session
from vml_jupyter.model import Environment, Release
from vml_jupyter.release.mini import recipe

from .conftest import Vml, recorded_entry

pytestmark = pytest.mark.machine

VML = shlex.join([sys.executable, "-m", "vml_jupyter.cli.main"])
MACHINES = shlex.join(
    [sys.executable, "-c", "import json, sys; [print(m['id']) for m in json.load(sys.stdin)['machines']]"]
)
NEWEST = recipe.BOOTLOADERS[-1].version
# Addresses for documentation, and a name that nobody is there to resolve.
NOBODY = ("http://203.0.113.1", "http://203.0.113.2", "http://203.0.113.3", "http://stratum.example.org")
# A cable to nowhere: with loopback alone, connections would be refused at once and show nothing.
NOWHERE = """
    set -e
    ip link set lo up
    ip link add near type veth peer name far
    ip link set near up
    ip link set far up
    ip addr add 192.0.2.1/24 dev near
    ip route add default via 192.0.2.254
    ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:01 dev near
    set +e
"""
# The text allows a wait of two seconds; the rest is for a busy computer.
MOST_S = 2.5
ROUNDS = 3


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can take the network away from libvirt's daemon, too"
)
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("nothing_left")
def test_restores_in_two_bootloaders_without_network(
    machine_settings: Settings, environ: dict[str, str], vml: Vml, dimuon: Path, tmp_path: Path
) -> None:
    systems = {system.version: system for system in (recipe.SYSTEMS[0], recipe.SYSTEMS[1])}
    probe_accelerator(machine_settings.cache)
    entries = {}
    for version in systems:
        provide(machine_settings, named_release(machine_settings, version))
        entries[version] = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", version)[
            "entry"
        ]
    elsewhere = Environment(release=Release(system=recipe.SYSTEMS[0].version, bootloader="2019.01-1"))
    shown = {
        "there": ["show", entries[recipe.SYSTEMS[0].version], "--check", "--json"],
        "elsewhere": ["show", recorded_entry(machine_settings, dimuon, elsewhere), "--check", "--json"],
        "releases": ["releases", "--json"],
    }
    vml("releases")  # starts libvirt's daemon, which is not what is compared
    answered = {
        name: statistics.median(seconds([*shlex.split(VML), *words], environ) for _ in range(ROUNDS))
        for name, words in shown.items()
    }
    session.end_daemon(machine_settings.data)

    restores = "\n".join(
        f"""
        {VML} restore {entry} --release {version} --json >{tmp_path}/{version}.json 2>{tmp_path}/{version}.err
        for machine in $({VML} machines --json | {MACHINES}); do {VML} delete $machine --json; done
        """
        for version, entry in entries.items()
    )
    timed = "\n".join(
        f"""
        date +%s.%N >>{tmp_path}/{name}.times
        {VML} {shlex.join(words)} >{tmp_path}/{name}.json || exit 1
        date +%s.%N >>{tmp_path}/{name}.times
        """
        for name, words in shown.items()
        for _ in range(ROUNDS)
    )
    alone = {**environ, "VML_RELEASE_URLS": " ".join((*machine_settings.release_urls, *NOBODY))}
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", NOWHERE + restores + timed],
        env=alone, capture_output=True, text=True, timeout=380,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    for version in systems:
        said = (tmp_path / f"{version}.err").read_text()
        restored = json.loads((tmp_path / f"{version}.json").read_text())
        assert restored.get("error") is None, said
        release = restored["release"]
        assert (release["system"], release["bootloader"]) == (version, systems[version].bootloader or NEWEST)
        waiting = {stage: restored["seconds"][stage] for stage in ("entry", "pins", "find")}
        assert waiting["pins"] > 1, "nobody was asked, so nothing is shown"
        assert max(waiting.values()) < MOST_S, waiting
        assert "fetch" not in restored["seconds"]
    for name, usual in answered.items():
        times = [float(time) for time in (tmp_path / f"{name}.times").read_text().split()]
        # The least of some, as whoever uses the processors meanwhile makes each longer.
        taken = min(ended - begun for begun, ended in zip(times[::2], times[1::2], strict=True))
        assert taken < usual + MOST_S, f"{name} took {usual:.1f} s where servers answer"
    needs = json.loads((tmp_path / "elsewhere.json").read_text())["durability"]["needs"]
    assert {need["state"] for need in needs} == {"unknown"}
    listed = json.loads((tmp_path / "releases.json").read_text())["releases"]
    here = {line["release"]["system"] for line in listed if line["state"] == "here"}
    assert here >= set(systems), "what was told before counts"


def seconds(words: list[str], environ: dict[str, str]) -> float:
    begun = time.monotonic()
    subprocess.run(words, env=environ, check=True, capture_output=True)
    return time.monotonic() - begun
