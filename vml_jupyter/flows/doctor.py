"""What this host can run, and how to mend what it cannot: each finding with its verdict, its reason and what to do.

    programs, libvirt, permissions, accelerators, network, memory, disk  ->  Report  ->  can a restore work here?

Everything is tried, nothing is believed for its name: a tiny guest runs under each accelerator, libvirt is connected
to, passt is started. Each try has a deadline. What takes long is remembered where every restore finds it too.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import tempfile
from pathlib import Path

import msgspec

from vml_jupyter.errors import HostError, VmlError
from vml_jupyter.flows.packages import how_to_install
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Accelerator, WarmStore, can_read_http, probe_accelerator
from vml_jupyter.machine.accelerator import QEMU, qemu_version
from vml_jupyter.machine.libvirt_check import ask_libvirt
from vml_jupyter.machine.network import start_network, stop_network
from vml_jupyter.machine.runtime import runtime_folder
from vml_jupyter.machine.session import SESSION
from vml_jupyter.progress import SILENT, Progress

GOOD, LIMITED, MISSING = "good", "limited", "missing"

_LIBVIRT_S = 25.0
_TRIED = {"libvirt": 9_000_000, "qemu": 7_002_000}  # older ones may do, but were not tried
_LEAST_DISK, _ENOUGH_DISK = 1 << 30, 8 << 30
_LEAST_PORTS = 16


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing looked at. ``verdict`` is ``good``, ``limited`` (a restore works, but less well) or ``missing``."""

    what: str
    verdict: str
    why: str
    fix: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All findings; ``can_restore`` is false where one of them is missing."""

    can_restore: bool
    accelerator: str
    findings: tuple[Finding, ...]


def doctor(settings: Settings, *, again: bool = False, progress: Progress = SILENT) -> Report:
    """Look at this host.

    Args:
        settings: Which hypervisor, which folders, how large a machine is.
        again: Try the accelerators again, though the answer is remembered.
        progress: Hears what is looked at.
    """
    progress.stage("host", "Looking at this computer")
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = [
        _architecture(),
        *_qemu(),
        _libvirt(settings),
        _private_folder(),
        _kvm_rights(),
    ]
    accelerator, tried = _accelerators(settings, again)
    found += [*tried, _network(), _ports(), _memory(settings), _disk(settings), _warm(settings)]
    return Report(
        can_restore=all(finding.verdict != MISSING for finding in found),
        accelerator=accelerator.name if accelerator else "",
        findings=tuple(found),
    )


def _architecture() -> Finding:
    machine = platform.machine()
    if machine == "x86_64":
        return Finding(what="architecture", verdict=GOOD, why="x86_64, as CernVM is")
    why = f"this is {machine} and CernVM is x86_64: machines are emulated, several times slower"
    return Finding(
        what="architecture", verdict=LIMITED, why=why, fix="Use a computer with an x86_64 processor."
    )


def _qemu() -> list[Finding]:
    if shutil.which(QEMU) is None:
        absent = Finding(
            what="QEMU", verdict=MISSING, why=f"{QEMU} is not installed", fix=how_to_install("qemu")
        )
        return [absent]
    return [
        Finding(what="QEMU", verdict=GOOD, why=qemu_version()),
        _tool("QEMU's disk tool", "qemu-img", "qemu-img"),
        _http_driver(),
    ]


def _tool(what: str, program: str, package: str) -> Finding:
    path = shutil.which(program)
    if path is None:
        return Finding(
            what=what, verdict=MISSING, why=f"{program} is not installed", fix=how_to_install(package)
        )
    return Finding(what=what, verdict=GOOD, why=path)


def _http_driver() -> Finding:
    what = "QEMU's http driver"
    try:
        there = can_read_http()
    except VmlError as error:
        return Finding(what=what, verdict=LIMITED, why=error.message, fix=error.hint)
    if there:
        return Finding(what=what, verdict=GOOD, why="a working area is read as the machine asks for it")
    why = "QEMU cannot read a disk over http, so each restore copies the whole working area first"
    return Finding(what=what, verdict=LIMITED, why=why, fix=how_to_install("http"))


def _libvirt(settings: Settings) -> Finding:
    told = ask_libvirt(settings.libvirt_uri, settings.data, _LIBVIRT_S)
    if told.error:
        fix = told.hint or how_to_install("libvirt")
        if settings.libvirt_uri != SESSION:
            fix = f"{fix}; the setting libvirt_uri names {settings.libvirt_uri}; {SESSION} needs no rights."
        return Finding(what="libvirt", verdict=MISSING, why=told.error, fix=fix)
    said = f"{_dotted(told.libvirt)} with QEMU {_dotted(told.qemu)} at {settings.libvirt_uri}"
    if told.libvirt < _TRIED["libvirt"] or told.qemu < _TRIED["qemu"]:
        why = (
            f"{said}; older than {_dotted(_TRIED['libvirt'])} and {_dotted(_TRIED['qemu'])}, which were tried"
        )
        return Finding(
            what="libvirt", verdict=LIMITED, why=why, fix="Take them from a newer system if machines fail."
        )
    return Finding(what="libvirt", verdict=GOOD, why=said)


def _private_folder() -> Finding:
    try:
        folder = runtime_folder()
    except HostError as error:
        return Finding(what="folder for sockets", verdict=MISSING, why=error.message, fix=error.hint)
    return Finding(what="folder for sockets", verdict=GOOD, why=str(folder))


def _kvm_rights() -> Finding:
    what, device = "rights on /dev/kvm", Path("/dev/kvm")
    if os.access(device, os.R_OK | os.W_OK):
        return Finding(what=what, verdict=GOOD, why="yours to use")
    if device.exists():
        fix = "sudo usermod -aG kvm $USER, then log in again"
        return Finding(what=what, verdict=LIMITED, why="/dev/kvm is there, but not yours to use", fix=fix)
    why = "there is no /dev/kvm, so machines are emulated"
    fix = "Switch virtualization on in the firmware; if this is a virtual machine itself, its host must allow nesting."
    return Finding(what=what, verdict=LIMITED, why=why, fix=fix)


def _accelerators(settings: Settings, again: bool) -> tuple[Accelerator | None, list[Finding]]:
    try:
        known = probe_accelerator(settings.cache, again=again)
        if not known.trials:  # remembered by an older version
            known = probe_accelerator(settings.cache, again=True)
    except VmlError as error:
        fix = error.hint or how_to_install("qemu")
        return None, [Finding(what="accelerators", verdict=MISSING, why=error.message, fix=fix)]
    found = []
    for trial in known.trials:
        what = {"kvm": "KVM", "tcg": "emulation"}[trial.name]
        if trial.seconds is not None:
            used = "; machines use it" if trial.name == known.name else ""
            verdict = GOOD if used or trial.name == "tcg" else LIMITED
            why = f"a test guest ran in {trial.seconds:.1f} s{used}"
        else:
            verdict, why = LIMITED, trial.why
        fix = "" if verdict == GOOD else _BETTER[trial.name]
        found.append(Finding(what=what, verdict=verdict, why=why, fix=fix))
    return known, found


_BETTER = {
    "kvm": "Machines are emulated, several times slower. `vml doctor --again` tries once more, after a change.",
    "tcg": "Nothing needs it as long as KVM works.",
}


def _network() -> Finding:
    what = "network (passt)"
    with tempfile.TemporaryDirectory(prefix="vml-doctor-") as name:
        folder = Path(name)
        try:
            start_network(folder, folder / "net.sock", kind="passt")
        except VmlError as error:
            why = f"{error.message}; with QEMU's own network instead, a machine reaches this host's loopback services"
            fix = how_to_install("passt") if shutil.which("passt") is None else error.hint
            return Finding(what=what, verdict=LIMITED, why=why, fix=fix)
        finally:
            stop_network(folder)
    why = "starts; machines reach the internet, but not this host's loopback services"
    return Finding(what=what, verdict=GOOD, why=why)


def _ports() -> Finding:
    what, taken = "ports on 127.0.0.1", []
    try:
        for _ in range(_LEAST_PORTS):
            taken.append(socket.create_server(("127.0.0.1", 0)))
    except OSError as error:
        why = f"after {len(taken)} no more port can be listened on: {error.strerror}"
        verdict = MISSING if len(taken) < 2 else LIMITED
        fix = "Is the interface lo up? Do many connections wait (ss -s)?"
        return Finding(what=what, verdict=verdict, why=why, fix=fix)
    finally:
        for one in taken:
            one.close()
    return Finding(what=what, verdict=GOOD, why="can be listened on")


def _memory(settings: Settings) -> Finding:
    wanted = settings.shape.memory_mib
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    whole, free = (int(told[name].split()[0]) >> 10 for name in ("MemTotal", "MemAvailable"))
    why = f"{free} of {whole} MiB are free, and a machine has {wanted}"
    if free >= wanted:
        return Finding(what="memory", verdict=GOOD, why=why)
    fix = "Give machines less (shape.memory_mib in the settings, or vml restore --memory), or end something."
    return Finding(what="memory", verdict=LIMITED if whole > wanted else MISSING, why=why, fix=fix)


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data).free
    why = f"{free >> 30} GiB are free in {settings.data}"
    if free >= _ENOUGH_DISK:
        return Finding(what="disk", verdict=GOOD, why=why)
    fix = (
        "Delete what is not needed (vml machines, vml releases list it), or let VML_DATA name a larger disk."
    )
    return Finding(what="disk", verdict=LIMITED if free >= _LEAST_DISK else MISSING, why=why, fix=fix)


def _warm(settings: Settings) -> Finding:
    what, quota = "warm states", settings.warm_quota_mib
    if not quota:
        why = "switched off, so every machine is booted"
        return Finding(what=what, verdict=LIMITED, why=why, fix="Set warm_quota_mib to some MiB, e.g. 4096.")
    kept = WarmStore(settings.warm).listing()
    if not kept:
        why = "none yet: one is made after the first restore of a release, or by vml warm RELEASE"
        return Finding(what=what, verdict=GOOD, why=why)
    names = ", ".join(sorted({each.state.release.label for each in kept}))
    used = sum(each.size_bytes for each in kept) >> 20
    return Finding(what=what, verdict=GOOD, why=f"{names}; {used} of {quota} MiB")


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
