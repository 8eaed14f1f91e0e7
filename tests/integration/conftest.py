"""What tests with real machines share."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from radosgw import Gateway, gateway, missing_programs
from s3_proxy import Traffic, proxy

from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Host

Vml = Callable[..., Any]


@pytest.fixture
def vml(environ: dict[str, str]) -> Vml:
    """The command line in a process of its own; gives what it printed as JSON."""

    def run(*words: str | Path) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"],
            env=environ,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def processes_naming(text: Path | str) -> list[str]:
    """Return the command lines of all processes that mention a folder, or an id."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(text) in words:
            found.append(words)
    return found


@pytest.fixture
def nothing_left(machine_settings: Settings) -> Iterator[None]:
    """Check, after a test that deletes its machines, that no domain, process or file of theirs is left."""
    yield
    with Host.connect(machine_settings.libvirt_uri, machine_settings.data) as host:
        mine = host.machines()
        domains = host.hypervisor.domains()
    assert mine == []
    assert [domain for domain in domains if str(machine_settings.data) in domain.record] == []
    assert processes_naming(machine_settings.machines) == []
    assert list(machine_settings.machines.glob("*")) == []


@pytest.fixture(scope="session")
def gateway_of_ceph() -> Iterator[Gateway]:
    """A real S3 server, started once a test run (15 s)."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"Ceph's gateway, the S3 server of these tests, is not installed: {missing} missing")
    with tempfile.TemporaryDirectory(prefix="vml-s3-") as folder, gateway(Path(folder)) as running:
        yield running


@pytest.fixture
def traffic(gateway_of_ceph: Gateway) -> Iterator[Traffic]:
    """What passes between a client and the S3 server."""
    with proxy(gateway_of_ceph.port) as passing:
        yield passing
