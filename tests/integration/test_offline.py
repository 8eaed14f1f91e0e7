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

from .conftest import Vml

pytestmark = pytest.mark.machine

VML = shlex.join([sys.executable, "-m", "vml_jupyter.cli.main"])


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can take the network away from libvirt's daemon, too"
)
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("nothing_left")
def test_a_restore_without_network(
    machine_settings: Settings, environ: dict[str, str], vml: Vml, dimuon: Path
) -> None:
    provide(machine_settings, named_release(machine_settings, "4.5.0.1"))
    entry = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", "4.5.0.1")["entry"]
    script = f"""
        ip link set lo up
        {VML} restore {entry} --release 4.5.0.1 --json || exit 1
        {VML} delete $({VML} machines | tail -1 | cut -d' ' -f1) --json
    """
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], env=environ, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    restored = json.loads(done.stdout.splitlines()[0])
    assert restored["release"]["system"] == "4.5.0.1"
    assert restored["seconds"]["find"] < 2
    assert "does not answer" not in done.stderr, "nobody was asked"
