"""The description with which a saved machine, or a standard snapshot of one, is brought back.

    what libvirt keeps  ->  the same, but for: the port of the working area's server, the network's socket or port,
                            the sockets of its channels, and the record in the metadata

The processes beside a machine end with it, and their ports may be taken when it comes back. Only these places are
changed, because the saved memory fits no other devices: a description made anew would follow a newer QEMU.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from vml_jupyter.machine.domain_xml import (
    AGENT_CHANNEL,
    CHANGES_CHANNEL,
    METADATA,
    QEMU_ARGUMENT,
    netdev_argument,
    socket_in,
)
from vml_jupyter.machine.network import Network
from vml_jupyter.machine.spec import MachineSpec, encode_spec


def resumed_xml(xml: str, spec: MachineSpec, network: Network | None) -> str:
    """Return a description for the places that things have now; with its cookie, so the text is a secret.

    Args:
        xml: A domain, or a snapshot with domains in it, as libvirt tells it with what is secure.
        spec: The machine as it is to be: its port, its area's address.
        network: What start_network() returned; None for a machine without a network.
    """
    ET.register_namespace("qemu", "http://libvirt.org/schemas/domain/qemu/1.0")
    root = ET.fromstring(xml)  # noqa: S314 - libvirt wrote it
    for record in root.iter(f"{{{METADATA}}}machine"):
        record.text = encode_spec(spec)
    if spec.area_url:
        _move_area(root, spec.area_url)
    if network is not None:
        _move_network(root, network)
    sockets = {AGENT_CHANNEL: spec.agent_socket, CHANGES_CHANNEL: spec.changes_socket}
    for channel in root.iter("channel"):
        target, source = channel.find("target"), channel.find("source")
        path = sockets.get(target.get("name", "")) if target is not None else None
        if path is not None and source is not None:
            source.set("path", str(path))
    return ET.tostring(root, encoding="unicode")


def _move_area(root: ET.Element, area_url: str) -> None:
    url = urlsplit(area_url)
    for disk in root.iter("disk"):
        server = disk.find("source/host")
        if disk.get("type") != "network" or server is None:
            continue
        if server.get("transport") == "unix":
            server.set("socket", socket_in(url))
        else:
            server.set("name", url.hostname or "127.0.0.1")
            server.set("port", str(url.port or 80))


def _move_network(root: ET.Element, network: Network) -> None:
    before = ""
    for argument in root.iter(QEMU_ARGUMENT):
        if before == "-netdev":
            argument.set("value", netdev_argument(network))
        before = argument.get("value", "")
