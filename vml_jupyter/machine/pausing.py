"""Suspend a machine to disk and resume it: its memory becomes a file, and its processes end.

    suspend:  memory -> libvirt's managed save        then passt and the area's server end
    resume:   area's server, network -> description for where they are now -> memory back, and the file goes

    <libvirt's own configuration folder>/qemu/save/vml-<id>.save      what was touched of the memory: 450 MB of 2 GiB

Managed save, rather than a file of our own, since libvirt then never starts the disk without the memory that fits it.
Who asks holds the machine's lock, so that two who suspend or resume at once do it once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import platformdirs

from vml_jupyter.errors import MachineGone, MachineRefused
from vml_jupyter.machine import companion, folders, lifecycle
from vml_jupyter.machine.disks import require_free
from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.machine.machines import Host
from vml_jupyter.machine.resumed_xml import resumed_xml
from vml_jupyter.machine.session import SESSION
from vml_jupyter.machine.spec import MachineSpec, save_spec
from vml_jupyter.progress import SILENT, Progress

_MARGIN = 128 << 20


def suspend(host: Host, machine_id: str) -> None:
    """Write a running machine's memory to disk and end it; nothing happens to one that is suspended already.

    Raises:
        NotFound: There is no such machine.
        MachineGone: It was deleted meanwhile.
        MachineRefused: It is stopped, or has not come up yet.
        DiskFull: There is no room for its memory.
    """
    spec = host.spec(machine_id)
    with folders.locked(spec.folder):
        state = state_of(host, spec)
        if state == "saved":
            return
        require_running(spec, state)
        _save(host, spec)


def resume(
    host: Host, machine_id: str, *, serve: Callable[[], str] | None = None, progress: Progress = SILENT
) -> bool:
    """Bring a suspended machine back, or what a running one has lost of the processes beside it.

    Args:
        host: The hypervisor and our data folder.
        machine_id: The whole id.
        serve: Has its working area served again, on the same port if that can be had, and returns where.
        progress: Hears what the user should know.

    Returns:
        False where there was nothing to do.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        MachineRefused: It is stopped, or libvirt cannot bring it back; its memory is kept.
        PortTaken, HostError: There is no network for it, or nobody serves its working area.
    """
    spec = host.spec(machine_id)
    with folders.locked(spec.folder), ExitStack() as undo:
        state = state_of(host, spec)
        if state == "off":
            raise MachineRefused(f"the machine {spec.id} is stopped", f"vml start {spec.id} starts it again.")
        if state == "paused":
            host.hypervisor.on_domain(spec.name, "resuming the machine", lambda domain, _: domain.resume())
            return True
        if state == "active":
            return _mend(host, spec, serve, progress)
        _bring_back(host, spec, serve, undo, progress)
        undo.pop_all()
    return True


def state_of(host: Host, spec: MachineSpec) -> str:
    """Return ``active``, ``paused``, ``saved``, ``off`` or ``crashed``.

    Raises:
        MachineGone: The hypervisor does not know it.
    """
    domain = host.hypervisor.find(spec.name)
    if domain is None:
        raise MachineGone(f"the machine {spec.id} is not there", "It may have been deleted elsewhere.")
    return domain.state


def require_running(spec: MachineSpec, state: str) -> None:
    """Refuse a machine that is stopped or still comes up.

    Raises:
        MachineRefused: It is so.
    """
    if state not in ("active", "paused"):
        raise MachineRefused(f"the machine {spec.id} does not run", f"vml start {spec.id} starts it.")
    if not spec.ready.exists():
        raise MachineRefused(f"the machine {spec.id} has not come up yet", "Try again when it is running.")


def memory_bytes(hypervisor: Hypervisor, spec: MachineSpec) -> int:
    """Return the most that a running machine's memory takes on disk: pages that were never touched take nothing."""
    told = hypervisor.on_domain(spec.name, "measuring the machine", lambda domain, _: domain.memoryStats())
    whole = spec.shape.memory_mib << 20
    return min(whole, int(told.get("rss", whole >> 10)) << 10) + _MARGIN


def saved_folder(uri: str, data: Path) -> Path | None:
    """Return where libvirt keeps the memory of suspended machines; None where that is not told."""
    if uri != SESSION:
        return Path("/var/lib/libvirt/qemu/save") if uri == "qemu:///system" else None
    config = data / "libvirt" if os.geteuid() == 0 else Path(platformdirs.user_config_path())
    return config / "libvirt" / "qemu" / "save"


def placed(
    host: Host, spec: MachineSpec, serve: Callable[[], str] | None, undo: ExitStack, progress: Progress
) -> tuple[MachineSpec, Callable[[str], str]]:
    """Start the processes beside a machine; return it as it is now, and what makes its description fit."""
    spec.sockets.mkdir(mode=0o700, exist_ok=True)
    undo.callback(companion.stop_all, spec.folder)
    area_url = (serve() if serve else "") or spec.area_url
    network = lifecycle.network_of(spec, progress)
    now = msgspec.structs.replace(lifecycle.placed(spec, network), area_url=area_url)
    return now, lambda xml: resumed_xml(xml, now, network)


def _save(host: Host, spec: MachineSpec) -> None:
    place = saved_folder(host.hypervisor.uri, host.folders.parent)
    if place is not None and place.is_dir():
        require_free(place, memory_bytes(host.hypervisor, spec))
    doing = "writing the machine's memory to disk"
    host.hypervisor.on_domain(spec.name, doing, lambda domain, _: domain.managedSave(0))
    companion.stop_all(spec.folder)


def _bring_back(
    host: Host, spec: MachineSpec, serve: Callable[[], str] | None, undo: ExitStack, progress: Progress
) -> None:
    spec.ready.unlink(missing_ok=True)
    now, fitting = placed(host, spec, serve, undo, progress)

    def start(domain: object, libvirt: object) -> None:
        kept = domain.managedSaveGetXMLDesc(libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE)  # type: ignore[attr-defined]
        domain.managedSaveDefineXML(fitting(kept), 0)  # type: ignore[attr-defined]
        domain.create()  # type: ignore[attr-defined]

    try:
        host.hypervisor.on_domain(spec.name, "resuming the machine", start)
    except MachineRefused as error:
        away = "Its memory is kept; stopping it throws that away, and then it can be started from its disk."
        raise MachineRefused(error.message, f"{error.hint} {away}".strip()) from error
    save_spec(now)


def _mend(host: Host, spec: MachineSpec, serve: Callable[[], str] | None, progress: Progress) -> bool:
    """Give a running machine back what ended beside it; by way of the disk where QEMU cannot join it as it runs."""
    lost = lifecycle.lost_companion(spec)
    if not lost:
        return False
    if lost == lifecycle.AREA and serve is not None and _same_place(serve(), spec.area_url):
        return True
    progress.note(
        "what ended beside the machine cannot be joined while it runs, so it is suspended for a moment"
    )
    _save(host, spec)
    with ExitStack() as undo:
        _bring_back(host, spec, serve, undo, progress)
        undo.pop_all()
    return True


def _same_place(one: str, other: str) -> bool:
    """Tell whether QEMU finds the server again by itself; a connection by socket it does not open a second time."""
    return bool(urlsplit(one).netloc) and urlsplit(one).netloc == urlsplit(other).netloc
