"""Images in libvirt's storage pools, on a real libvirt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

import pytest

from vml_jupyter.flows.pools import pool_images
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import list_images
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import pool_files
from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.machine.session import SESSION, end_daemon
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Stopwatch

pytestmark = pytest.mark.machine

POOL = "vml-test-pool"


def image(file: Path) -> Path:
    told = json.dumps({"ucernvm-version": "2021.05-1.cernvm.x86_64", "os-repo": "v4prod"})
    file.write_bytes(bytes(100_000) + told.encode().ljust(32768, b"\0") + b"{}".ljust(32768, b"\0"))
    return file


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """The same settings for a process of its own."""
    own = {"VML_DATA": str(settings.data), "VML_CONFIG": str(settings.config)}
    return {**os.environ, **own, "VML_RELEASE_URLS": " ".join(settings.release_urls)}


@pytest.fixture
def pool(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A pool of files that is taken away again; its files stay until the test's folder goes."""
    folder = tmp_path / "pool"
    folder.mkdir()
    settings.data.mkdir(parents=True)
    xml = f"<pool type='dir'><name>{POOL}</name><target><path>{escape(str(folder))}</path></target></pool>"
    with Hypervisor.connect(SESSION, settings.data) as hypervisor:
        defined = hypervisor._open().storagePoolDefineXML(xml)
        defined.create()
        try:
            yield folder
        finally:
            defined.destroy()
            defined.undefine()
    if os.geteuid() == 0:
        end_daemon(settings.data)


def test_an_image_in_a_pool_is_found_by_its_content(pool: Path, settings: Settings) -> None:
    file = image(pool / "volume-7")  # which libvirt has not seen yet
    (pool / "other").write_bytes(bytes(200_000))
    [found] = pool_images(settings)
    assert (found.path, found.bootloader, found.place) == (file, "2021.05-1", f"pool {POOL} of {SESSION}")
    assert provide(settings, Release(system="4.5.0.1", bootloader="2021.05-1")) == file
    assert [known.image.place for known in list_images(settings)] == [found.place]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root's right to read everything")
def test_what_cannot_be_read_is_said_with_the_reason(
    pool: Path, settings: Settings, environ: dict[str, str]
) -> None:
    readable, secret = image(pool / "mine"), image(pool / "of-another")
    secret.chmod(0)
    told = releases_without_roots_rights(environ)
    assert (
        f"pool {POOL} of {SESSION}: not looked at, since they cannot be read (Permission denied): {secret}"
        in told.err
    )
    assert told.images == [str(readable)]

    pool.chmod(0o311)  # may be entered, not listed
    told = releases_without_roots_rights(environ)
    assert f"its folder {pool} cannot be listed (Permission denied)" in told.err
    pool.chmod(0o755)


class Told(NamedTuple):
    images: list[str]
    err: str


def releases_without_roots_rights(environ: dict[str, str]) -> Told:
    """Run ``vml releases`` as a root that files are closed to, as they are to anybody else."""
    closed = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", "--"]
    command = [sys.executable, "-m", "vml_jupyter.cli.main", "releases", "--json"]
    done = subprocess.run([*closed, *command], env=environ, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return Told([line["image"]["path"] for line in json.loads(done.stdout)["images"]], done.stderr)


def test_pools_elsewhere_are_not_looked_at(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert pool_files("qemu+ssh://elsewhere.invalid/session", settings.data) == {}
    assert pool_files(SESSION, settings.data) == {}, "no pool is defined, so no daemon is started for it"


def test_a_hypervisor_that_does_not_answer_is_told(settings: Settings) -> None:
    gone = settings.using(libvirt_uri="qemu+unix:///session?socket=/nonexistent/libvirt-sock")
    watch = Stopwatch(SILENT)
    assert pool_images(gone, watch) == []
    assert any("left out" in note for note in watch.notes)
