"""What tests with real machines share."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
