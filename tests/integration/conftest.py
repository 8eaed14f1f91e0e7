"""What tests with real machines share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from radosgw import Gateway, gateway
from s3_proxy import Traffic, proxy

from vml_jupyter.flows.entries import opened_or_created
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Host, session
from vml_jupyter.model import Entry, Environment, Mount, Release, new_entry_id
from vml_jupyter.release.mini import recipe
from vml_jupyter.snapshot import take

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
    with tempfile.TemporaryDirectory(prefix="vml-s3-") as folder, gateway(Path(folder)) as running:
        yield running


@pytest.fixture
def traffic(gateway_of_ceph: Gateway) -> Iterator[Traffic]:
    """What passes between a client and the S3 server."""
    with proxy(gateway_of_ceph.port) as passing:
        yield passing


def recorded_entry(
    settings: Settings, area: Path, environment: Environment, notebook: str = "dimuon.ipynb"
) -> str:
    """Write an entry of the area that records this environment, as a snapshot taken in such a machine does."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    draft = Entry(
        id=new_entry_id(),
        time=now,
        title="inside",
        notebook=notebook,
        area=str(area),
        environment=environment,
    )
    with opened_or_created(settings) as logbook, logbook.repository.lock():
        return logbook.add(draft, take(logbook.repository, area).tree).id


def as_inside(
    system: recipe.System, bootloader: recipe.Bootloader, software: recipe.Revision = recipe.REVISIONS[-1]
) -> Environment:
    """Return what a snapshot taken in a machine records of its release and repositories, by the recipe."""
    return Environment(
        cernvm=True,
        release=Release(
            system=system.version,
            bootloader=bootloader.version,
            repository=recipe.REPOSITORY,
            path=recipe.CERNVM_PATH,
            root_hash=system.root_hash,
        ),
        release_tag=system.tag,
        cvmfs=tuple(
            Mount(path=path, fqrn=each.fqrn, revision=each.revision, root_hash=each.root_hash, tag=each.tag)
            for path, each in ((f"/cvmfs/{software.fqrn}", software), ("/mnt/.ro", system))
        ),
    )


@pytest.fixture
def gone_revision_entry(machine_settings: Settings, dimuon: Path) -> str:
    """An entry taken in a machine whose system is still there, but not the revision of the software that it had."""
    inside = as_inside(recipe.SYSTEMS[-1], recipe.BOOTLOADERS[-1], recipe.GONE_REVISION)
    return recorded_entry(machine_settings, dimuon, inside)


# mov dx, 0x3f8; mov al, 'V'; out dx, al; then halt for ever
SAY_V = bytes.fromhex("baf803 b056 ee fb f4 ebfd").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("data")
    yield folder
    if os.geteuid() == 0:
        session.end_daemon(folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("releases") / "say-v.hdd"
    path.write_bytes(SAY_V)
    return path
