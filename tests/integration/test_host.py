"""Machines on a real libvirt and QEMU, with a guest of one boot sector: it says V on its console and halts."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from vml_jupyter.errors import Ambiguous, MachineGone, MachineRefused, NotFound
from vml_jupyter.flows.areas import socket_url
from vml_jupyter.machine import Host, MachineSpec, companion, probe_accelerator, session
from vml_jupyter.machine.network import is_free
from vml_jupyter.machine.runtime import runtime_folder
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.model import Release, Shape, new_entry_id
from vml_jupyter.snapshot.block_serving import BlockServer

from .conftest import SAY_V, processes_naming

pytestmark = pytest.mark.machine

COOKIE = "vml=v3ry-s3cret"
MADE: list[str] = []
ALONE = b"<domain type='qemu'><name>%s</name><memory>65536</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def host(data: Path) -> Iterator[Host]:
    """A connection, and after the test the proof that nothing of its machines is left."""
    with Host.connect(data=data) as host:
        yield host
        for machine in host.machines():
            host.delete(machine.id)
        assert list((data / "machines").glob("*")) == []
        assert processes_naming(str(data / "machines")) == []
        assert [machine_id for machine_id in MADE if (runtime_folder() / machine_id).exists()] == []


class Area(http.server.BaseHTTPRequestHandler):
    """Serve one megabyte with Range, and keep the cookies that were sent."""

    protocol_version = "HTTP/1.1"
    content = bytes(1 << 20)
    cookies: tuple[str | None, ...] = ()

    def do_HEAD(self) -> None:
        self._head(200, len(self.content))

    def do_GET(self) -> None:
        first, last = re.findall(r"\d+", self.headers["Range"])
        part = self.content[int(first) : int(last) + 1]
        self._head(206, len(part))
        self.wfile.write(part)

    def _head(self, status: int, length: int) -> None:
        Area.cookies += (self.headers["Cookie"],)
        self.send_response(status)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def area_url() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Area) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/area.iso"
        server.shutdown()
        thread.join()


def make(host: Host, image: Path, **changes: object) -> MachineSpec:
    """Make and start a machine of the tiny guest; return what it was made of."""
    machine_id = new_entry_id()
    MADE.append(machine_id)
    with host.new_folder(machine_id) as folder:
        (folder / "context.iso").write_bytes(bytes(1 << 16))
        plain = MachineSpec(
            id=machine_id,
            entry=new_entry_id(),
            release=Release(system="4.5.0.1"),
            folder=folder,
            image=image,
            context_iso=folder / "context.iso",
            shape=Shape(cpus=1, memory_mib=64, scratch_gib=1),
            title="Läufe <&> \x00 ]]>\nzwei",
            notebook="a b.ipynb",
            token="t0ken-s3cret",
        )
        host.define_and_start(msgspec.structs.replace(plain, **changes))
    return host.spec(machine_id)


def test_a_machine_lives_is_stopped_started_and_deleted(host: Host, image: Path) -> None:
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    spec = make(host, image)
    assert wait_until(lambda: host.console_tail(spec.id) == "V", 20)
    starting = host.get(spec.id[:8])
    assert (starting.state, starting.port) == ("starting", spec.port)
    assert not is_free(spec.port)
    assert f"http://{spec.id}.localhost:{spec.port}/lab/tree/a%20b.ipynb?token=t0ken-s3cret" == starting.url
    assert host.mark_ready(spec.id).state == host.get(spec.id).state == "running"

    host.stop(spec.id, patience_s=0.2)
    host.stop(spec.id)
    assert host.get(spec.id).state == "stopped"
    assert processes_naming(spec.id) == []
    with pytest.raises(MachineGone):
        host.mark_ready(spec.id)

    assert host.start(spec.id).port == spec.port
    assert host.get(spec.id).state == "starting"
    with pytest.raises(MachineRefused):
        host.start(spec.id)
    host.delete(spec.id)
    host.delete(spec.id)
    assert host.machines() == []
    assert hashlib.sha256(image.read_bytes()).hexdigest() == digest


def test_the_area_is_fetched_with_its_cookie_which_no_other_user_can_read(
    host: Host, image: Path, area_url: str
) -> None:
    spec = make(host, image, area_url=area_url, area_cookie=COOKIE)
    assert set(Area.cookies) == {COOKIE}
    running = "\n".join(processes_naming(spec.id))
    assert area_url in running
    assert "s3cret" not in running
    domain = host.hypervisor.find(spec.name)
    assert domain is not None
    assert "s3cret" not in domain.record
    assert host.spec(spec.id).area_cookie == COOKIE


def test_the_area_behind_a_socket_is_opened_by_the_hypervisor(
    host: Host, image: Path, tmp_path: Path
) -> None:
    class Zeros:
        size, data_start, etag = 1 << 20, 0, "zeros"

        def read(self, offset: int, length: int) -> bytes:
            return bytes(length)

        def views(self, offset: int, length: int) -> list[memoryview]:
            return [memoryview(bytes(length))]

        def is_at_hand(self, offset: int, length: int) -> bool:
            return True

    folder = Path(tempfile.mkdtemp(prefix="vml-", dir=runtime_folder()))
    server = BlockServer(Zeros(), folder / "area.sock").start()
    try:
        spec = make(host, image, area_url=socket_url(str(folder / "area.sock")))
        assert wait_until(lambda: server.stats().requests > 0, 60, 0.05), "QEMU looks at the first sector"
        assert host.is_active(spec.id)
        host.delete(spec.id)
    finally:
        server.close()
        folder.rmdir()


def test_a_machine_that_cannot_start_leaves_nothing(host: Host, image: Path) -> None:
    with pytest.raises(MachineRefused, match=r"libvirt says: .*onnect"):
        make(host, image, area_url="http://127.0.0.1:9/area.iso")
    with pytest.raises(MachineRefused):
        make(host, image.with_name("absent.hdd"))
    assert host.machines() == []


def test_other_domains_are_not_touched(host: Host, data: Path) -> None:
    machine_id = new_entry_id()
    host.hypervisor.define((ALONE % f"vml-{machine_id}".encode()).decode())
    try:
        assert host.machines() == []
        host.delete(machine_id)
        with pytest.raises(NotFound):
            host.spec(machine_id)
        with pytest.raises(MachineRefused):
            host.hypervisor.define((ALONE % f"vml-{machine_id}".encode()).decode())
    finally:
        host.hypervisor.undefine(f"vml-{machine_id}")


def test_machines_are_found_by_the_beginning_of_their_id(host: Host, image: Path) -> None:
    first, second = make(host, image, network="none"), make(host, image, network="slirp")
    assert [machine.port for machine in (host.get(first.id), host.get(second.id))] == [0, second.port]
    assert {machine.id for machine in host.machines()} == {first.id, second.id}
    for wrong, error in (("zzzz", NotFound), ("", Ambiguous)):
        with pytest.raises(error):
            host.get(wrong)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's daemon is libvirt's own affair")
def test_a_machine_survives_its_daemon_and_is_found_again(host: Host, image: Path, data: Path) -> None:
    spec = make(host, image)
    session.end_daemon(data)
    assert processes_naming(spec.id)
    assert host.get(spec.id).state == "starting"
    with Host.connect(data=data) as later:
        later.delete(spec.id)
    assert processes_naming(spec.id) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's daemon is libvirt's own affair")
def test_several_starters_make_one_daemon(tmp_path: Path) -> None:
    code = f"import pathlib, vml_jupyter.machine as m; m.Host.connect(data=pathlib.Path({str(tmp_path)!r})).close()"
    starters = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    try:
        assert [starter.wait(60) for starter in starters] == [0] * 4
        mine = [link for link in runtime_folder().glob("*/config") if link.resolve().parent == tmp_path]
        assert len(mine) == 1
        assert len(daemons_of(mine[0].parent)) == 1
    finally:
        session.end_daemon(tmp_path)
    assert daemons_of(mine[0].parent) == []


def daemons_of(folder: Path) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            told = file.read_bytes().split(b"\0")
            name = (file.parent / "comm").read_text().strip()
        except OSError:
            continue
        if name == "libvirtd" and f"XDG_RUNTIME_DIR={folder}".encode() in told:
            found.append(file.parent.name)
    return found


def test_what_crashes_left_is_swept(host: Host, image: Path, data: Path) -> None:
    left = data / "machines" / new_entry_id()
    left.mkdir(parents=True)
    companion.start(left, "area", [sys.executable, "-c", "import signal; signal.pause()", str(left)])
    spec = make(host, image)
    with host.new_folder(new_entry_id()) as being_made:
        for folder in (left, being_made):
            os.utime(folder, (0, 0))
        host.sweep()
        assert being_made.is_dir()
    assert not left.exists()
    assert processes_naming(str(left)) == []
    assert host.get(spec.id).state == "starting"
    host.delete(being_made.name)


def test_a_machine_whose_domain_vanished_is_broken_and_can_be_deleted(host: Host, image: Path) -> None:
    spec = make(host, image)
    host.hypervisor.destroy(spec.name)
    host.hypervisor.undefine(spec.name)
    assert host.get(spec.id).state == "broken"
    host.delete(spec.id)
    assert not spec.folder.exists()


def test_a_machine_nobody_can_reach_is_broken(host: Host, image: Path) -> None:
    spec = make(host, image)
    if spec.network != "passt":
        pytest.skip("passt finds no outside interface to copy here")
    companion.stop(spec.folder, "net")
    assert host.get(spec.id).state == "broken"


def test_the_accelerator_is_found_by_running_a_guest(tmp_path: Path) -> None:
    found = probe_accelerator(tmp_path)
    assert found.name in ("kvm", "tcg")
    assert found.why
    assert probe_accelerator(tmp_path) == found
    assert shutil.which("qemu-system-x86_64")


def test_an_iso_boots_as_a_cd(host: Host, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "boot").write_bytes(SAY_V[:2048])
    iso = tmp_path / "say-v.iso"
    command = ["genisoimage", "-quiet", "-R", "-b", "boot", "-no-emul-boot", "-boot-load-size", "4", "-o"]
    subprocess.run([*command, iso, tree], check=True)
    spec = make(host, iso, image_is_cd=True)
    assert wait_until(lambda: "V" in host.console_tail(spec.id), 60)
