"""Save a machine that waits for an owner, and bring the same one back as many others.

    freeze:  machine, ready for anybody  ->  memory, scratch.qcow2; nothing else of it stays
    awaken:  a copy of the disk -> network -> description of the new machine -> memory, through a pipe

A machine that was brought back runs with its new name, disks and sockets, but does not know yet who it is: its
agent is told then. Until that its Jupyter is out of reach.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.machine import companion, folders, lifecycle
from vml_jupyter.machine.disks import require_free
from vml_jupyter.machine.domain_xml import domain_xml, machine_uuid
from vml_jupyter.machine.machines import Host
from vml_jupyter.machine.network import Network, stop_network
from vml_jupyter.machine.pausing import memory_bytes
from vml_jupyter.machine.resumed_xml import resumed_xml
from vml_jupyter.machine.saved import digest_of_rest, fed
from vml_jupyter.machine.spec import MachineSpec, one_line, save_spec
from vml_jupyter.progress import SILENT, Progress

PLACE_LABEL = b"VML_PLACE"
_PIECE = 1 << 20
_SECTOR = 2048
_PLACE_SECTORS = 32


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """A saved machine: two files with their digests. ``memory_sha256`` leaves libvirt's head of the file out."""

    memory: Path
    scratch: Path
    memory_sha256: str
    scratch_sha256: str
    network: str


def write_place(path: Path) -> None:
    """Write the disk that a waiting machine has in the place of a working area: nothing but its label."""
    descriptor = b"\1CD001\1\0" + b" " * 32 + PLACE_LABEL.ljust(32)
    path.write_bytes((bytes(16 * _SECTOR) + descriptor).ljust(_PLACE_SECTORS * _SECTOR, b"\0"))


def freeze(host: Host, machine_id: str, memory: Path, scratch: Path) -> Frozen:
    """Save a machine and remove it; its disk becomes ``scratch``.

    Raises:
        DiskFull: There is no room for its memory.
        MachineRefused, MachineGone: libvirt would not.
        Foreign: libvirt saves in a form that cannot be brought back here.
    """
    spec = host.spec(machine_id)
    with folders.locked(spec.folder):
        require_free(memory.parent, memory_bytes(host.hypervisor, spec))
        host.hypervisor.on_domain(
            spec.name, "saving the machine", lambda domain, _: domain.save(str(memory.absolute()))
        )
        companion.stop_all(spec.folder)
        memory_sha256 = digest_of_rest(memory)
        scratch_sha256 = _copied(spec.scratch, scratch)
    host.delete(machine_id)
    return Frozen(
        memory=memory,
        scratch=scratch,
        memory_sha256=memory_sha256,
        scratch_sha256=scratch_sha256,
        network=spec.network,
    )


def awaken(host: Host, spec: MachineSpec, frozen: Frozen, progress: Progress = SILENT) -> MachineSpec:
    """Bring a saved machine back as this one, whose folder exists.

    Returns:
        The machine with the port and the network it got.

    Raises:
        Foreign: What was saved is damaged, or gone.
        PortTaken, HostError: There is no network for it.
        MachineRefused: libvirt would not. In all cases nothing of the machine is left but its folder.
    """
    spec = msgspec.structs.replace(host.dated(spec), network=frozen.network)
    with folders.locked(spec.folder), ExitStack() as undo:
        undo.callback(spec.scratch.unlink, missing_ok=True)
        if _copied(frozen.scratch, spec.scratch) != frozen.scratch_sha256:
            raise Foreign(f"{frozen.scratch} is not what was saved")
        undo.callback((spec.folder / "machine.json").unlink, missing_ok=True)
        undo.callback(lifecycle.forget, host.hypervisor, spec.name)
        spec = _brought_back(host, spec, frozen, undo, progress)
        undo.pop_all()
    return spec


def _brought_back(
    host: Host, spec: MachineSpec, frozen: Frozen, undo: ExitStack, progress: Progress
) -> MachineSpec:
    spec.sockets.mkdir(mode=0o700, exist_ok=True)
    undo.callback(stop_network, spec.folder)
    network = lifecycle.network_of(spec, progress)
    there = lifecycle.placed(spec, network)
    save_spec(there)
    ours = domain_xml(there, network)
    host.hypervisor.define(ours)
    pipe = there.sockets / "memory"
    with fed(frozen.memory, pipe, lambda xml: adopted_xml(xml, ours, there, network), frozen.memory_sha256):
        host.hypervisor.restore(pipe)
    return there


def adopted_xml(saved: str, ours: str, spec: MachineSpec, network: Network | None) -> str:
    """Return a saved machine's description as another machine's.

    Names, files and sockets are the other one's; the devices stay, since the memory fits no others.

    Args:
        saved: As libvirt saved it.
        ours: What the other machine is defined as.
        spec: The other machine.
        network: What start_network() returned for it.
    """
    root = ET.fromstring(resumed_xml(saved, spec, network))  # noqa: S314 - libvirt wrote it
    for tag, text in (("name", spec.name), ("uuid", machine_uuid(spec.id)), ("title", one_line(spec.title))):
        _set_text(root, tag, text)
    sources = {_target(disk): disk for disk in ET.fromstring(ours).iter("disk")}  # noqa: S314 - we wrote it
    for disk in root.iter("disk"):
        _set_source(disk, sources[_target(disk)])
    for source in root.iterfind("devices/serial/source"):
        source.set("path", str(spec.console))
    for source in root.iterfind("devices/console/source"):
        source.set("path", str(spec.console))
    return ET.tostring(root, encoding="unicode")


def _set_text(root: ET.Element, tag: str, text: str) -> None:
    element = root.find(tag)
    if element is None:
        element = ET.Element(tag)
        root.insert(0, element)
    if text:
        element.text = text
    else:
        root.remove(element)


def _set_source(disk: ET.Element, other: ET.Element) -> None:
    """Give a disk what another one shows; its place in the machine stays as it is."""
    for old in (*disk.findall("source"), *disk.findall("backingStore")):
        disk.remove(old)
    source = other.find("source")
    assert source is not None, "every disk of ours shows something"
    disk.set("type", other.get("type", "file"))
    disk.insert(1, source)


def _target(disk: ET.Element) -> str:
    target = disk.find("target")
    assert target is not None, "every disk has a target"
    return target.get("dev", "")


def _copied(source: Path, target: Path) -> str:
    """Copy a disk as it is and return its SHA-256 in hex; stretches of nothing become holes.

    Raises:
        Foreign: It is gone.
    """
    total = hashlib.sha256()
    try:
        with source.open("rb") as old, target.open("xb") as new:
            target.chmod(0o600)
            while piece := old.read(_PIECE):
                total.update(piece)
                if piece.count(0) == len(piece):
                    new.seek(len(piece), 1)
                else:
                    new.write(piece)
            new.truncate()
    except FileNotFoundError as error:
        raise Foreign(f"{source} is gone") from error
    return total.hexdigest()
