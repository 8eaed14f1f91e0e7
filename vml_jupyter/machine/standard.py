"""Standard snapshots: a machine's disk and memory at one moment, kept by libvirt, running kernels included.

    take(NAME):    <folder>/scratch.qcow2 { now, NAME: the disk of that moment, shared until it changes; the memory }
    revert(NAME):  QEMU ends -> its processes start anew -> the description of then fits them -> disk, memory of then
    delete(NAME):  goes from scratch.qcow2

All of it is inside the one disk that the machine can write, so there is no chain of files that a deletion could get
wrong: the release image and the working area are read-only, have no part in it, and do not stand in its way. A machine
with an external snapshot, which only another program can have made, is refused: kinds do not mix. What libvirt knows
of the snapshots goes with the machine.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from vml_jupyter.errors import MachineRefused, NotFound, ToolMissing, Usage, WouldOverwrite
from vml_jupyter.machine import companion, folders
from vml_jupyter.machine.disks import require_free
from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.machine.machines import Host
from vml_jupyter.machine.pausing import memory_bytes, placed, require_running, state_of
from vml_jupyter.machine.spec import MachineSpec, save_spec
from vml_jupyter.model import StandardSnapshot
from vml_jupyter.progress import SILENT, Progress

# libvirt makes a file of the name; QEMU also finds a snapshot by its number, so a number is no name.
_NAME = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ROOM_TO_WORK = 256 << 20
_PATIENCE_S = 30.0


def take(host: Host, machine_id: str, name: str = "") -> StandardSnapshot:
    """Take a snapshot of a running machine, which stands still for about a second.

    Args:
        host: The hypervisor and our data folder.
        machine_id: The whole id.
        name: Letters, digits, ``.``, ``_`` and ``-``, not digits alone; the time, when empty.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        Usage: The name is none.
        WouldOverwrite: There is one of this name.
        MachineRefused: The machine does not run, or has a snapshot of another kind.
        DiskFull: There is no room for its memory.
    """
    name = name or datetime.datetime.now(datetime.timezone.utc).strftime("at-%Y-%m-%d-%H.%M.%S")
    _require_name(name)
    spec = host.spec(machine_id)
    with folders.locked(spec.folder):
        require_running(spec, state_of(host, spec))
        there = _listed(host.hypervisor, spec.name)
        if any(snapshot.name == name for snapshot in there):
            raise WouldOverwrite(
                f"the machine {spec.id} has a snapshot {name} already", "Choose another name."
            )
        require_free(spec.folder, memory_bytes(host.hypervisor, spec) + _ROOM_TO_WORK)
        host.hypervisor.on_domain(
            spec.name,
            "taking the snapshot",
            lambda domain, _: domain.snapshotCreateXML(_description(name, domain.XMLDesc()), 0),
        )
        return _found(_listed(host.hypervisor, spec.name), spec, name)


def listing(host: Host, machine_id: str) -> list[StandardSnapshot]:
    """Return a machine's snapshots, parents before children, each level oldest first.

    Raises:
        NotFound: There is no such machine.
    """
    spec = host.spec(machine_id)
    if host.hypervisor.find(spec.name) is None:
        return []
    sizes = _memory_sizes(spec)
    found = _listed(host.hypervisor, spec.name)
    return [msgspec.structs.replace(one, memory_bytes=sizes.get(one.name, 0)) for one in found]


def revert(
    host: Host,
    machine_id: str,
    name: str,
    *,
    serve: Callable[[], str] | None = None,
    progress: Progress = SILENT,
) -> None:
    """Take a machine back to a snapshot; what it is now is lost, unless a snapshot holds it.

    Args:
        host: The hypervisor and our data folder.
        machine_id: The whole id.
        name: The snapshot.
        serve: Has the machine's working area served again, and returns where.
        progress: Hears what the user should know.

    Raises:
        NotFound, MachineGone: There is no such machine or snapshot, or none any more.
        PortTaken, HostError: There is no network for it, or nobody serves its working area.
        MachineRefused: libvirt would not; the machine is stopped then.
    """
    spec = host.spec(machine_id)
    hypervisor = host.hypervisor
    with folders.locked(spec.folder), ExitStack() as undo:
        state = state_of(host, spec)
        _found(_listed(hypervisor, spec.name), spec, name)
        if state == "saved":
            hypervisor.discard_saved(spec.name)
        hypervisor.destroy(spec.name)
        companion.stop_all(spec.folder)
        spec.ready.unlink(missing_ok=True)
        now, fitting = placed(host, spec, serve, undo, progress)

        def go_back(domain: Any, libvirt: Any) -> None:
            snapshot = domain.snapshotLookupByName(name)
            kept = snapshot.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
            flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
            if snapshot.isCurrent():
                flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT
            domain.revertToSnapshot(domain.snapshotCreateXML(fitting(kept), flags), 0)

        hypervisor.on_domain(spec.name, "reverting the machine", go_back)
        save_spec(now)
        undo.pop_all()


def delete(host: Host, machine_id: str, name: str) -> None:
    """Remove one snapshot; the machine and the snapshots that grew out of it stay.

    Raises:
        NotFound, MachineGone: There is no such machine or snapshot, or none any more.
        MachineRefused: libvirt would not.
    """
    spec = host.spec(machine_id)
    with folders.locked(spec.folder):
        state_of(host, spec)
        _found(_listed(host.hypervisor, spec.name), spec, name)
        host.hypervisor.on_domain(
            spec.name, "removing the snapshot", lambda domain, _: domain.snapshotLookupByName(name).delete(0)
        )


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Usage(
            f"{name[:70]!r} cannot be a snapshot's name",
            "Letters, digits, '.', '_' and '-', beginning with a letter or digit, and not digits alone.",
        )


def _description(name: str, domain_xml: str) -> str:
    """Describe a snapshot of memory and of what the machine can write; nothing else takes part."""
    snapshot = ET.Element("domainsnapshot")
    ET.SubElement(snapshot, "name").text = name
    ET.SubElement(snapshot, "memory", snapshot="internal")
    disks = ET.SubElement(snapshot, "disks")
    for disk in ET.fromstring(domain_xml).iter("disk"):  # noqa: S314 - libvirt wrote it
        target = disk.find("target")
        assert target is not None, "every disk has a target"
        part = "no" if disk.find("readonly") is not None else "internal"
        ET.SubElement(disks, "disk", name=target.get("dev", ""), snapshot=part)
    return ET.tostring(snapshot, encoding="unicode")


def _listed(hypervisor: Hypervisor, name: str) -> list[StandardSnapshot]:
    """Return the snapshots in the order of a tree; refuse where one is of another kind."""
    told = hypervisor.on_domain(
        name,
        "listing the snapshots",
        lambda domain, _: [(one.getXMLDesc(0), bool(one.isCurrent())) for one in domain.listAllSnapshots(0)],
    )
    return _as_tree([_read(xml, current) for xml, current in told])


def _read(xml: str, current: bool) -> StandardSnapshot:
    root = ET.fromstring(xml)  # noqa: S314 - libvirt wrote it
    name = root.findtext("name", "")
    parts = [root.find("memory"), *root.findall("disks/disk")]
    if any(part is not None and part.get("snapshot") == "external" for part in parts):
        raise MachineRefused(
            f"the machine has a snapshot {name} of another kind, made by another program",
            f"Remove it with that program first, e.g. virsh snapshot-delete DOMAIN {name}.",
        )
    moment = datetime.datetime.fromtimestamp(int(root.findtext("creationTime", "0")), datetime.timezone.utc)
    return StandardSnapshot(
        name=name,
        parent=root.findtext("parent/name", ""),
        created=moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        current=current,
    )


def _as_tree(found: list[StandardSnapshot]) -> list[StandardSnapshot]:
    names = {one.name for one in found}
    ordered: list[StandardSnapshot] = []
    waiting = sorted(
        (one for one in found if one.parent not in names), key=lambda one: one.created, reverse=True
    )
    while waiting:
        one = waiting.pop()
        ordered.append(one)
        children = [child for child in found if child.parent == one.name]
        waiting.extend(sorted(children, key=lambda child: child.created, reverse=True))
    return ordered


def _found(snapshots: list[StandardSnapshot], spec: MachineSpec, name: str) -> StandardSnapshot:
    for snapshot in snapshots:
        if snapshot.name == name:
            return snapshot
    raise NotFound(
        f"the machine {spec.id} has no snapshot {name[:70]!r}", f"vml standard list {spec.id} shows them."
    )


def _memory_sizes(spec: MachineSpec) -> dict[str, int]:
    """Return the bytes that the memory of each snapshot takes in the disk, as far as the disk can be read now."""
    command = ["qemu-img", "info", "--force-share", "--output=json", str(spec.scratch)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
        told = json.loads(done.stdout or b"{}")
    except FileNotFoundError as error:
        raise ToolMissing("qemu-img is not installed", "On Debian: apt install qemu-utils") from error
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return {one["name"]: int(one["vm-state-size"]) for one in told.get("snapshots", [])}
