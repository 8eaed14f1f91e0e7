"""The process that serves a machine's working area: found by its socket, accounted for, and quicker the second time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from vml_jupyter.cli.main import main
from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.machine import companion
from vml_jupyter.machine.waiting import wait_until

MACHINE = "abcdefghjkmn"


@pytest.fixture
def known() -> Settings:
    """A user whose hypervisor does not answer, so that the server believes its machine to run."""
    return load().using(libvirt_uri="nowhere:///")


@pytest.fixture
def source(known: Settings, tmp_path: Path) -> areas.Source:
    area = tmp_path / "area"
    area.mkdir()
    for number in range(5):
        (area / f"{number}.txt").write_bytes(bytes([65 + number]) * 40_000)
    assert main(["snapshot", str(area)]) == 0
    with opened(known) as logbook:
        return areas.source_in(known, logbook, logbook.entries()[0])


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "machines" / MACHINE
    made.mkdir(parents=True)
    yield made
    companion.stop_all(made)


def read_all(folder: Path) -> str:
    """Read the disk that is served as QEMU does, and return the socket that it is behind."""
    [socket] = parse_qs(urlsplit(areas.disk_url(folder)).query)["socket"]
    disk = f"driver=nbd,server.type=unix,server.path={socket}"
    words = ["qemu-img", "convert", "--image-opts", disk, "-O", "raw", str(folder / "copy")]
    subprocess.run(words, check=True, timeout=60)
    return socket


def test_it_serves_accounts_and_remembers(
    known: Settings, source: areas.Source, folder: Path, tmp_path: Path
) -> None:
    place = str(tmp_path / "area.sock")
    areas.begin(known, folder, MACHINE, source, socket=place)
    assert read_all(folder) == place
    with areas.image_of(known, source) as image:
        whole = image.read(0, image.size)
    assert (folder / "copy").read_bytes() == whole

    def come() -> int:
        told = areas.arrival(folder)
        return told.bytes if told else 0

    assert wait_until(lambda: come() == len(whole), 30, 0.05)
    told = areas.arrival(folder)
    assert told is not None
    assert (told.size, told.prefetched_bytes) == (len(whole), 0)
    assert 0 < told.read_bytes < 100_000, "what compresses well is read as it is stored"

    companion.stop(folder, "area")
    (folder / areas.ARRIVED).unlink()
    assert wait_until(lambda: not companion.is_running(folder, "area"), 10, 0.05)
    areas.begin(known, folder, MACHINE, source, socket=place)
    areas.disk_url(folder)
    assert wait_until(lambda: prefetched(folder) == 5 * 40_000, 30, 0.05), (
        "what was read before comes by itself"
    )
    assert come() == 0, "which is not what the machine has"


@pytest.mark.parametrize(("notebook", "size_bytes"), [("2.txt", 40_000), ("gone.ipynb", 0)])
def test_the_notebook_of_an_area_that_nobody_has_read_comes_by_itself(
    known: Settings, source: areas.Source, folder: Path, tmp_path: Path, notebook: str, size_bytes: int
) -> None:
    named = msgspec.structs.replace(source, notebook=notebook)
    areas.begin(known, folder, MACHINE, named, socket=str(tmp_path / "area.sock"))
    areas.disk_url(folder)
    assert wait_until(lambda: areas.arrival(folder) is not None, 30, 0.05)
    assert wait_until(lambda: prefetched(folder) == size_bytes, 30, 0.05)


def prefetched(folder: Path) -> int:
    told = areas.arrival(folder)
    return told.prefetched_bytes if told else 0


def test_a_hypervisor_of_others_is_served_on_a_port(
    known: Settings, source: areas.Source, folder: Path
) -> None:
    assert areas.socket_of(known, MACHINE) == ""
    areas.begin(known, folder, MACHINE, source, token="t" * 20)
    assert areas.disk_url(folder).startswith("http://127.0.0.1:")
