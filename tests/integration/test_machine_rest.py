"""Rest of machines on a real libvirt: suspended, snapshotted, killed; with a guest of one boot sector, which halts."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vml_jupyter.errors import (
    DiskFull,
    LimitReached,
    MachineGone,
    MachineRefused,
    NotFound,
    Usage,
    WouldOverwrite,
)
from vml_jupyter.flows.limits import claim
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Host, MachineSpec, companion, folders, pausing, session, standard
from vml_jupyter.machine.network import is_free
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.model import Shape, new_entry_id

from .conftest import processes_naming
from .test_host import make

pytestmark = pytest.mark.machine


@pytest.fixture
def host(data: Path) -> Iterator[Host]:
    """A connection, and after the test the proof that nothing of its machines is left, in libvirt's folders either."""
    with Host.connect(data=data) as host:
        yield host
        ids = [machine.id for machine in host.machines()]
        for machine_id in ids:
            host.delete(machine_id)
        assert list((data / "machines").glob("*")) == []
        assert [line for machine_id in ids for line in processes_naming(machine_id)] == []
        kept = pausing.saved_folder(host.hypervisor.uri, data)
        assert kept is not None
        left = [path for path in kept.parent.rglob("*") if any(name in path.name for name in ids)]
        assert [path for path in left if "domain-" not in path.name] == []


def running(host: Host, image: Path) -> MachineSpec:
    spec = make(host, image, network="none")
    assert wait_until(lambda: host.console_tail(spec.id) == "V", 30)
    host.mark_ready(spec.id)
    return spec


def digest(*files: Path) -> list[str]:
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def names(host: Host, spec: MachineSpec) -> list[tuple[str, str]]:
    return [(one.name, one.parent) for one in standard.listing(host, spec.id)]


def test_deleting_a_machine_with_snapshots_touches_no_image_and_no_other_machine(
    host: Host, image: Path
) -> None:
    one, other = running(host, image), running(host, image)
    for spec in (one, other):
        for name in ("first", "second"):
            standard.take(host, spec.id, name)
    host.stop(other.id, patience_s=0)
    before = digest(image, other.scratch)
    standard.delete(host, one.id, "first")
    host.delete(one.id)
    assert digest(image, other.scratch) == before
    assert not one.folder.exists()
    assert names(host, other) == [("first", ""), ("second", "first")]
    subprocess.run(["qemu-img", "check", "-q", other.scratch], check=True)

    standard.revert(host, other.id, "first")
    assert host.is_active(other.id)
    host.delete(other.id)
    assert digest(image) == before[:1]


def test_snapshots_are_a_tree(host: Host, image: Path) -> None:
    spec = running(host, image)
    first = standard.take(host, spec.id, "first")
    assert (first.name, first.current) == ("first", True)
    standard.take(host, spec.id, "a")
    standard.revert(host, spec.id, "first")
    host.mark_ready(spec.id)
    standard.take(host, spec.id, "b")
    assert names(host, spec) == [("first", ""), ("a", "first"), ("b", "first")]
    listed = standard.listing(host, spec.id)
    assert [one.name for one in listed if one.current] == ["b"]
    assert all(one.memory_bytes > 0 and one.created.endswith("Z") for one in listed)

    standard.delete(host, spec.id, "first")
    assert names(host, spec) == [("a", ""), ("b", "")]
    assert standard.take(host, spec.id).name.startswith("at-")
    assert len(names(host, spec)) == 3


def test_what_cannot_be_is_refused_and_ends_no_machine(
    host: Host, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = running(host, image)
    standard.take(host, spec.id, "first")
    for wrong in ("1", "../x", ".hidden", "a b", "x" * 70, "-x", "a\n"):
        with pytest.raises(Usage):
            standard.take(host, spec.id, wrong)
    with pytest.raises(WouldOverwrite):
        standard.take(host, spec.id, "first")
    for call in (standard.revert, standard.delete):
        with pytest.raises(NotFound):
            call(host, spec.id, "absent")
    monkeypatch.setattr(pausing, "_MARGIN", 1 << 60)
    with pytest.raises(DiskFull):
        standard.take(host, spec.id, "second")
    with pytest.raises(DiskFull):
        pausing.suspend(host, spec.id)
    assert host.get(spec.id).state == "running"
    host.stop(spec.id, patience_s=0)
    for call in (standard.take, pausing.suspend, pausing.resume):
        with pytest.raises(MachineRefused):
            call(host, spec.id)


def test_kinds_of_snapshots_do_not_mix(host: Host, image: Path) -> None:
    spec = running(host, image)
    away = spec.folder / "external.qcow2"
    external = f"""<domainsnapshot><name>external</name><disks>
        <disk name='vda' snapshot='no'/><disk name='sda' snapshot='no'/>
        <disk name='vdb' snapshot='external'><source file='{away}'/></disk></disks></domainsnapshot>"""
    disk_only = 16  # VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    host.hypervisor.on_domain(
        spec.name, "standing in for another program", lambda d, _: d.snapshotCreateXML(external, disk_only)
    )
    with pytest.raises(MachineRefused, match="another kind"):
        standard.take(host, spec.id, "ours")
    host.delete(spec.id)
    assert not spec.folder.exists()


def test_two_who_suspend_or_resume_at_once_do_it_once(host: Host, image: Path, data: Path) -> None:
    spec = running(host, image)
    with ThreadPoolExecutor(4) as several, Host.connect(data=data) as another:
        both = (host, another) * 2
        list(several.map(lambda one: pausing.suspend(one, spec.id), both))
        assert host.get(spec.id).state == "suspended"
        assert processes_naming(spec.id) == []
        done = list(several.map(lambda one: pausing.resume(one, spec.id), both))
    assert sorted(done) == [False, False, False, True]
    assert host.get(spec.id).state == "starting"


def test_a_suspended_machine_is_deleted_with_its_memory(host: Host, image: Path, data: Path) -> None:
    spec = running(host, image)
    standard.take(host, spec.id, "first")
    pausing.suspend(host, spec.id)
    kept = pausing.saved_folder(host.hypervisor.uri, data)
    assert kept is not None
    assert [file.stem for file in kept.iterdir()] == [spec.name]
    host.delete(spec.id)
    assert list(kept.iterdir()) == []
    with pytest.raises(NotFound):
        pausing.resume(host, spec.id)


def test_a_machine_deleted_meanwhile_is_gone(host: Host, image: Path) -> None:
    spec = running(host, image)
    with ThreadPoolExecutor(1) as beside:
        with folders.locked(spec.folder):
            waiting = beside.submit(pausing.suspend, host, spec.id)
            assert wait_until(waiting.running, 10)
            host.hypervisor.destroy(spec.name)
            host.hypervisor.undefine(spec.name)
        with pytest.raises(MachineGone):
            waiting.result(30)


def test_a_killed_qemu_leaves_a_stopped_machine(host: Host, image: Path) -> None:
    spec = running(host, image)
    kill(qemu_of(spec))
    assert wait_until(lambda: host.get(spec.id).state == "stopped", 20)
    host.start(spec.id)
    assert host.get(spec.id).state == "starting"


def test_a_killed_network_is_told_and_mended(host: Host, image: Path) -> None:
    spec = make(host, image)
    if spec.network != "passt":
        pytest.skip("passt finds no outside interface to copy here")
    host.mark_ready(spec.id)
    companion.stop(spec.folder, "net")
    assert host.get(spec.id).state == "broken"
    assert "resuming it mends that" in host.get(spec.id).detail
    assert pausing.resume(host, spec.id)
    assert (host.get(spec.id).state, host.get(spec.id).detail) == ("starting", "")
    assert not is_free(spec.port)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's daemon is libvirt's own affair")
def test_after_a_restart_of_the_host_machines_are_suspended_or_stopped(
    host: Host, image: Path, data: Path
) -> None:
    saved, ran = running(host, image), running(host, image)
    pausing.suspend(host, saved.id)
    session.end_daemon(data)
    kill(qemu_of(ran))
    companion.stop_all(ran.folder)
    subprocess.run(["rm", "-rf", session._folder(data), saved.sockets, ran.sockets], check=True)

    states = {machine.id: machine.state for machine in host.machines()}
    assert states == {saved.id: "suspended", ran.id: "stopped"}
    assert pausing.resume(host, saved.id)
    assert host.is_active(saved.id)
    host.start(ran.id)


def qemu_of(spec: MachineSpec) -> int:
    """Return the process id of a machine's QEMU."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:
            continue
        if words.startswith(b"/usr/bin/qemu-system") and f"guest={spec.name},".encode() in words:
            return int(file.parent.name)
    raise AssertionError(f"there is no QEMU of {spec.name}")


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not Path(f"/proc/{pid}/cwd").exists(), 20)


def test_a_machine_counts_from_the_moment_it_is_being_made(
    host: Host, data: Path, settings: Settings
) -> None:
    settings = settings.using(data=data, machines_max=1)
    shape, first, second = Shape(memory_mib=64), new_entry_id(), new_entry_id()
    with host.new_folder(first) as being_made:
        claim(settings, host, being_made, shape)
        claim(settings, host, being_made, shape)
        with pytest.raises(LimitReached, match="1 machines run"), host.new_folder(second) as refused:
            claim(settings, host, refused, shape)
        assert not refused.exists()
    with host.new_folder(second) as allowed:  # the first one's maker has gone, and it does not run
        claim(settings, host, allowed, shape)
    for made in (first, second):
        host.delete(made)


def test_what_a_killed_resume_leaves_is_swept_but_not_under_one_at_work(host: Host, image: Path) -> None:
    spec = running(host, image)
    pausing.suspend(host, spec.id)
    argv = [sys.executable, "-c", "import signal; signal.pause()", str(spec.folder)]
    companion.start(spec.folder, "area", argv)
    with folders.locked(spec.folder):
        host.sweep()
        assert companion.is_running(spec.folder, "area")
    host.sweep()
    assert not companion.is_running(spec.folder, "area")
    assert host.get(spec.id).state == "suspended"


def test_libvirt_is_asked_in_time(data: Path) -> None:
    from vml_jupyter.machine.libvirt_check import ask_libvirt

    told = ask_libvirt("qemu:///session", data, 60)
    assert (told.error, told.libvirt >= 6_000_000, told.qemu > 0) == ("", True, True)
    assert "qemu+unix" in ask_libvirt("qemu+unix:///session?socket=/nowhere", data, 60).error
    assert "within" in ask_libvirt("qemu:///session", data, 0.001).error
