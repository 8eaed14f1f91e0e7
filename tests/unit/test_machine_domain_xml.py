"""The description of a machine: what is writable, what is secret, and what hostile text can become."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.machine.domain_xml import METADATA, domain_xml, machine_uuid, read_metadata
from vml_jupyter.machine.network import Network
from vml_jupyter.machine.spec import MachineSpec, decode_spec
from vml_jupyter.model import Release, Shape

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
PASST = Network(kind="passt", port=4711, socket=Path("/run/a,b/net.sock"))


@pytest.fixture(autouse=True)
def short_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def spec(**changes: object) -> MachineSpec:
    plain = MachineSpec(
        id="abcdefghjkmn",
        entry="e" * 12,
        release=Release(system="4.5.0.1"),
        folder=Path("/data/machines/abcdefghjkmn"),
        image=Path("/data/releases/mini.hdd"),
        context_iso=Path("/data/machines/abcdefghjkmn/context.iso"),
        shape=Shape(cpus=3, memory_mib=1024, scratch_gib=5),
        area_url="http://127.0.0.1:8001/area.iso",
        area_cookie="vml=c00kie",
        token="t0ken",
    )
    return msgspec.structs.replace(plain, **changes)


def disks(root: ET.Element) -> dict[str, ET.Element]:
    return {disk.find("target").attrib["dev"]: disk for disk in root.findall("devices/disk")}  # type: ignore[union-attr]


def arguments(root: ET.Element) -> list[str]:
    return [arg.attrib["value"] for arg in root.findall(f"{QEMU}commandline/{QEMU}arg")]


def test_only_the_scratch_disk_is_writable() -> None:
    found = disks(ET.fromstring(domain_xml(spec(), PASST)))
    writable = [target for target, disk in found.items() if disk.find("readonly") is None]
    assert sorted(found) == ["sda", "vda", "vdb", "vdc"]
    assert writable == ["vdb"]
    assert found["vda"].find("source").attrib["file"] == "/data/releases/mini.hdd"  # type: ignore[union-attr]
    assert found["vdb"].find("driver").attrib["type"] == "qcow2"  # type: ignore[union-attr]


def test_a_cloud_image_is_under_the_scratch_disk() -> None:
    found = disks(ET.fromstring(domain_xml(spec(image_is_root=True), PASST)))
    assert [target for target, disk in found.items() if disk.find("readonly") is None] == ["vda"]
    assert sorted(found) == ["vda", "vdb", "vdc"], "kernels made for clouds see no SATA CD-ROM"
    assert found["vdb"].find("source").attrib["file"].endswith("/context.iso")  # type: ignore[union-attr]
    assert found["vda"].find("source").attrib["file"].endswith("/scratch.qcow2")  # type: ignore[union-attr]
    assert found["vda"].find("boot") is not None


def test_the_area_comes_from_a_socket() -> None:
    url = "nbd+unix:///?socket=/run/user/1000/vml/a%20b/area.sock"
    disk = disks(ET.fromstring(domain_xml(spec(area_url=url, area_cookie=""), None)))["vdc"]
    source = disk.find("source")
    assert source is not None
    assert source.attrib == {"protocol": "nbd"}
    host = source.find("host")
    assert host is not None
    assert host.attrib == {"transport": "unix", "socket": "/run/user/1000/vml/a b/area.sock"}
    assert disk.find("readonly") is not None


def test_the_area_comes_over_http_with_its_cookie() -> None:
    source = disks(ET.fromstring(domain_xml(spec(), PASST)))["vdc"].find("source")
    assert source is not None
    assert source.attrib == {"protocol": "http", "name": "area.iso"}
    assert source.find("host").attrib == {"name": "127.0.0.1", "port": "8001"}  # type: ignore[union-attr]
    cookie = source.find("cookies/cookie")
    assert cookie is not None
    assert (cookie.attrib["name"], cookie.text) == ("vml", "c00kie")


def test_the_area_may_be_a_file_or_absent() -> None:
    from_file = spec(area_url="", area_path=Path("/data/area.iso"))
    disk = disks(ET.fromstring(domain_xml(from_file, None)))["vdc"]
    assert disk.attrib["type"] == "file"
    assert disk.find("source").attrib == {"file": "/data/area.iso"}  # type: ignore[union-attr]
    assert "vdc" not in disks(ET.fromstring(domain_xml(spec(area_url=""), None)))


def test_the_metadata_gives_the_record_back_without_secrets() -> None:
    root = ET.fromstring(domain_xml(spec(), PASST))
    element = root.find(f"metadata/{{{METADATA}}}machine")
    assert element is not None
    record = read_metadata(ET.tostring(element, encoding="unicode"))
    assert decode_spec(record) == spec(token="", area_cookie="")
    assert "t0ken" not in domain_xml(spec(), PASST)
    assert "c00kie" not in record


@given(title=st.text(max_size=80), notebook=st.text(max_size=80))
def test_no_text_can_become_anything_but_itself(title: str, notebook: str) -> None:
    hostile = spec(title=title + "]]></title><devices/>\n\x00", notebook=notebook)
    root = ET.fromstring(domain_xml(hostile, PASST))
    assert len(root.findall("devices")) == 1
    assert "\n" not in (root.findtext("title") or "")
    element = root.find(f"metadata/{{{METADATA}}}machine")
    assert element is not None
    assert decode_spec(element.text or "").notebook == notebook


def test_passt_is_joined_by_its_socket_even_with_a_comma_in_its_path() -> None:
    _, netdev, _, card = arguments(ET.fromstring(domain_xml(spec(), PASST)))
    assert json.loads(netdev)["addr"] == {"type": "unix", "path": "/run/a,b/net.sock"}
    assert json.loads(card)["netdev"] == json.loads(netdev)["id"]


def test_slirp_forwards_one_port_of_the_loopback() -> None:
    network = Network(kind="slirp", port=4711)
    netdev = json.loads(arguments(ET.fromstring(domain_xml(spec(), network)))[1])
    assert netdev["hostfwd"] == [{"str": "tcp:127.0.0.1:4711-:8888"}]


def test_without_a_network_there_is_no_card() -> None:
    assert arguments(ET.fromstring(domain_xml(spec(), None))) == []


@pytest.mark.parametrize(("name", "kind"), [("kvm", "kvm"), ("tcg", "qemu")])
def test_the_accelerator_decides_domain_type_and_processor(name: str, kind: str) -> None:
    root = ET.fromstring(domain_xml(spec(accelerator=name), None))
    assert root.attrib["type"] == kind
    slow = [feature.attrib["name"] for feature in root.findall("cpu/feature")]
    assert ("erms" in slow) is (name == "tcg")
    assert root.findtext("memory") == "1024"
    assert root.findtext("vcpu") == "3"


def test_a_machine_always_has_the_same_uuid() -> None:
    assert machine_uuid("abcdefghjkmn") == machine_uuid("abcdefghjkmn") != machine_uuid("abcdefghjkmp")
