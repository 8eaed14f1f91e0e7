"""The description of a machine that libvirt is given.

    vda  boot disk      the release's image file, raw, read-only: it is never written, so it stays what was downloaded
         (an ISO is sdb, a SATA CD-ROM; a cloud image is under the scratch disk, which is then vda)
    vdb  scratch        the blank qcow2, the only writable disk
    vdc  working area   the snapshot as a disk; read-only, and in a thread of its own beside QEMU's main loop
         behind a socket (nbd), or over http from 127.0.0.1 with a cookie, or from a file
    sda  context        the small ISO, a SATA CD-ROM (for a cloud image vdb: its kernel may know nothing but virtio)
    ttyS0 -> console.log        org.vml.agent.0 <-> agent.sock        org.vml.changes.0 <-> tell.sock
    virtio-net <-> net.sock (passt) or slirp

    <metadata><machine xmlns="urn:vml-jupyter:machine:1">the MachineSpec as JSON, without secrets</machine></metadata>

The tree is built, never written as text, and QEMU's own arguments are JSON: no title, path or name can become
anything but itself.
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit
from xml.etree import ElementTree as ET

from vml_jupyter.machine.network import GUEST_PORT, Network
from vml_jupyter.machine.spec import MachineSpec, encode_spec, one_line

METADATA = "urn:vml-jupyter:machine:1"
AGENT_CHANNEL = "org.vml.agent.0"
CHANGES_CHANNEL = "org.vml.changes.0"
AREA_DISK = "vdc"

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
QEMU_ARGUMENT = f"{{{_QEMU}}}arg"
_NAMESPACE = uuid.UUID("6f1d2a52-2f0a-5f0e-9a55-3d4d5e0c7a11")
# On the root bus behind everything that libvirt places there: root ports from 1 upwards, the chip set's at 31.
_NETWORK_SLOT = "0x10"
_CPU_MODES = {
    "kvm": {"mode": "host-passthrough", "check": "none", "migratable": "on"},
    "tcg": {"mode": "maximum", "check": "none", "migratable": "on"},
}
# Emulated, "rep movsb" copies byte by byte, and a page table of five levels is walked in software: without these
# a guest takes other ways, and a boot a quarter less of processor time.
_SLOW_FEATURES = {"kvm": (), "tcg": ("erms", "fsrm", "la57")}
_DOMAIN_TYPES = {"kvm": "kvm", "tcg": "qemu"}


def machine_uuid(machine_id: str) -> str:
    """Return the UUID of a machine's domain: always the same one, so defining it again replaces it."""
    return str(uuid.uuid5(_NAMESPACE, machine_id))


def domain_xml(spec: MachineSpec, network: Network | None) -> str:
    """Return the domain of a machine; with its cookie, so the text itself is a secret.

    Args:
        spec: The machine.
        network: What start_network() returned; None for a machine without a network.
    """
    ET.register_namespace("qemu", _QEMU)
    domain = ET.Element("domain", type=_DOMAIN_TYPES[spec.accelerator])
    _text(domain, "name", spec.name)
    _text(domain, "uuid", machine_uuid(spec.id))
    if title := one_line(spec.title):
        _text(domain, "title", title)
    _text(ET.SubElement(domain, "metadata"), f"{{{METADATA}}}machine", encode_spec(spec))
    _text(domain, "memory", str(spec.shape.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(spec.shape.cpus))
    _text(domain, "iothreads", "1")
    _add_platform(domain, spec)
    devices = ET.SubElement(domain, "devices")
    _add_disks(devices, spec)
    _add_ports(devices, spec)
    _add_small_devices(devices)
    if network is not None:
        _add_network(domain, network, spec.id)
    return ET.tostring(domain, encoding="unicode")


def read_metadata(element: str) -> str:
    """Return the JSON record in the metadata element that libvirt keeps."""
    return ET.fromstring(element).text or ""  # noqa: S314 - libvirt parsed it before; it has no entities


def _add_platform(domain: ET.Element, spec: MachineSpec) -> None:
    os = ET.SubElement(domain, "os")
    _text(os, "type", "hvm", arch="x86_64", machine="q35")
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    cpu = ET.SubElement(domain, "cpu", _CPU_MODES[spec.accelerator])
    for feature in _SLOW_FEATURES[spec.accelerator]:
        ET.SubElement(cpu, "feature", policy="disable", name=feature)
    clock = ET.SubElement(domain, "clock", offset="utc")
    ET.SubElement(clock, "timer", name="rtc", tickpolicy="catchup")
    ET.SubElement(clock, "timer", name="pit", tickpolicy="delay")
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")


def _add_disks(devices: ET.Element, spec: MachineSpec) -> None:
    if spec.image_is_root:
        boot = _add_scratch(devices, "vda", spec)
    elif spec.image_is_cd:
        boot = _add_disk(devices, "sdb", "raw", read_only=True, device="cdrom", bus="sata")
    else:
        boot = _add_disk(devices, "vda", "raw", read_only=True)
    if not spec.image_is_root:
        ET.SubElement(boot, "source", file=str(spec.image))
        _add_scratch(devices, "vdb", spec)
    ET.SubElement(boot, "boot", order="1")
    if spec.area_url or spec.area_path:
        devices.append(area_disk(spec))
    ET.SubElement(_add_context(devices, spec), "source", file=str(spec.context_iso))


def _add_context(devices: ET.Element, spec: MachineSpec) -> ET.Element:
    # Kernels made for clouds, Debian's for one, are built without AHCI: they see no SATA CD-ROM at all.
    if spec.image_is_root:
        return _add_disk(devices, "vdb", "raw", read_only=True)
    return _add_disk(devices, "sda", "raw", read_only=True, device="cdrom", bus="sata")


def _add_scratch(devices: ET.Element, target: str, spec: MachineSpec) -> ET.Element:
    disk = _add_disk(devices, target, "qcow2", read_only=False)
    ET.SubElement(disk, "source", file=str(spec.scratch))
    return disk


def area_disk(spec: MachineSpec) -> ET.Element:
    """Return the ``<disk>`` of the working area, as for plugging it into a running machine."""
    disk = _add_disk(ET.Element("devices"), AREA_DISK, "raw", read_only=True)
    disk.find("driver").set("iothread", "1")  # type: ignore[union-attr]
    if spec.area_path is not None:
        ET.SubElement(disk, "source", file=str(spec.area_path))
        return disk
    url = urlsplit(spec.area_url)
    disk.set("type", "network")
    if url.scheme == "nbd+unix":
        source = ET.SubElement(disk, "source", protocol="nbd")
        ET.SubElement(source, "host", transport="unix", socket=socket_in(url))
        return disk
    source = ET.SubElement(disk, "source", protocol=url.scheme, name=url.path.lstrip("/"))
    if url.query:
        source.set("query", url.query)
    ET.SubElement(source, "host", name=url.hostname or "127.0.0.1", port=str(url.port or 80))
    if spec.area_cookie:  # libvirt hands cookies over encrypted: they are not in the process list
        name, _, value = spec.area_cookie.partition("=")
        _text(ET.SubElement(source, "cookies"), "cookie", value, name=name)
    # QEMU gives up after five seconds otherwise, and the guest would see a broken disk where a store is only slow.
    ET.SubElement(source, "timeout", seconds="60")
    return disk


def socket_in(url: SplitResult) -> str:
    """Return the path in ``nbd+unix:///?socket=PATH``."""
    return parse_qs(url.query)["socket"][0]


def _add_disk(
    devices: ET.Element,
    target: str,
    format_: str,
    *,
    read_only: bool,
    device: str = "disk",
    bus: str = "virtio",
) -> ET.Element:
    disk = ET.SubElement(devices, "disk", type="file", device=device)
    driver = ET.SubElement(disk, "driver", name="qemu", type=format_)
    ET.SubElement(disk, "target", dev=target, bus=bus)
    if read_only:
        ET.SubElement(disk, "readonly")
    else:
        driver.set("discard", "unmap")
    return disk


def _add_ports(devices: ET.Element, spec: MachineSpec) -> None:
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(spec.console), append="on")
    ET.SubElement(serial, "target", port="0")
    for name, path in ((AGENT_CHANNEL, spec.agent_socket), (CHANGES_CHANNEL, spec.changes_socket)):
        channel = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(channel, "source", mode="bind", path=str(path))
        ET.SubElement(channel, "target", type="virtio", name=name)


def _add_small_devices(devices: ET.Element) -> None:
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    ET.SubElement(devices, "memballoon", model="virtio")
    ET.SubElement(devices, "controller", type="usb", model="none")  # nothing to probe at boot
    video = ET.SubElement(devices, "video")
    ET.SubElement(video, "model", type="none")


def _add_network(domain: ET.Element, network: Network, machine_id: str) -> None:
    """Join the network by QEMU's own arguments: libvirt's back ends cannot be told what start_network() tells passt."""
    card = {
        "driver": "virtio-net-pci",
        "id": "vmlcard",
        "netdev": "vmlnet",
        "mac": _mac(machine_id),
        "bus": "pcie.0",
        "addr": _NETWORK_SLOT,
        "romfile": "",  # no network boot: SeaBIOS would run iPXE first
    }
    line = ET.SubElement(domain, f"{{{_QEMU}}}commandline")
    for argument in ("-netdev", netdev_argument(network), "-device", json.dumps(card)):
        ET.SubElement(line, QEMU_ARGUMENT, value=argument)


def netdev_argument(network: Network) -> str:
    """Return QEMU's argument that joins a network."""
    netdev: dict[str, Any]
    if network.socket is not None:
        address = {"type": "unix", "path": str(network.socket)}
        netdev = {"type": "stream", "id": "vmlnet", "server": False, "addr": address}
    else:
        forward = {"str": f"tcp:127.0.0.1:{network.port}-:{GUEST_PORT}"}
        netdev = {"type": "user", "id": "vmlnet", "hostfwd": [forward]}
    return json.dumps(netdev)


def _mac(machine_id: str) -> str:
    tail = uuid.UUID(machine_uuid(machine_id)).bytes[-3:]
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in tail)


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element
