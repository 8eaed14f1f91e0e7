"""What changes in a saved description, and what must not."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from test_machine_domain_xml import spec

from vml_jupyter.errors import MachineRefused
from vml_jupyter.machine.domain_xml import METADATA, domain_xml
from vml_jupyter.machine.network import Network
from vml_jupyter.machine.resumed_xml import resumed_xml
from vml_jupyter.machine.spec import decode_spec
from vml_jupyter.machine.standard import _as_tree, _description, _read
from vml_jupyter.model import StandardSnapshot

SLIRP = Network(kind="slirp", port=40123)


@pytest.fixture(autouse=True)
def short_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def moved(xml: str, network: Network | None) -> ET.Element:
    now = msgspec.structs.replace(spec(), port=40123, area_url="http://127.0.0.1:9999/area.iso")
    return ET.fromstring(resumed_xml(xml, now, network))


def test_only_places_change() -> None:
    before = domain_xml(spec(), SLIRP)
    after = moved(before, SLIRP)
    host = after.find(".//disk[@type='network']/source/host")
    assert host is not None
    assert host.attrib == {"name": "127.0.0.1", "port": "9999"}
    record = after.findtext(f"metadata/{{{METADATA}}}machine", "")
    assert (decode_spec(record).port, decode_spec(record).area_cookie) == (40123, "")
    host.set("port", "8001")
    for metadata in after.iter(f"{{{METADATA}}}machine"):
        metadata.text = ET.fromstring(before).findtext(f"metadata/{{{METADATA}}}machine")
    assert ET.canonicalize(ET.tostring(after)) == ET.canonicalize(before)


def test_a_socket_moves_to_where_it_is_now() -> None:
    old = spec(area_url="nbd+unix:///?socket=/run/old/area.sock", area_cookie="")
    now = msgspec.structs.replace(old, area_url="nbd+unix:///?socket=/run/now/area.sock")
    after = ET.fromstring(resumed_xml(domain_xml(old, SLIRP), now, SLIRP))
    [host] = after.iterfind(".//disk[@type='network']/source/host")
    assert host.attrib == {"transport": "unix", "socket": "/run/now/area.sock"}


def test_a_snapshot_is_changed_in_all_its_domains() -> None:
    domain = domain_xml(spec(), Network(kind="slirp", port=1))
    inactive = domain.replace("<domain", "<inactiveDomain").replace("</domain>", "</inactiveDomain>")
    after = moved(f"<domainsnapshot><name>a</name>{domain}{inactive}</domainsnapshot>", SLIRP)
    assert [host.get("port") for host in after.iter("host")] == ["9999", "9999"]
    netdevs = [
        argument.get("value", "") for argument in after.iter() if "hostfwd" in argument.get("value", "")
    ]
    assert len(netdevs) == 2
    assert all(":40123-:" in netdev for netdev in netdevs)


def test_only_what_the_machine_writes_takes_part_in_a_snapshot() -> None:
    root = ET.fromstring(_description("a&b", domain_xml(spec(), None)))
    assert root.findtext("name") == "a&b"
    parts = {disk.get("name"): disk.get("snapshot") for disk in root.iter("disk")}
    assert parts == {"vda": "no", "vdb": "internal", "vdc": "no", "sda": "no"}


def test_a_snapshot_of_another_kind_is_refused() -> None:
    xml = (
        "<domainsnapshot><name>x</name><creationTime>1</creationTime><memory snapshot='{}'/></domainsnapshot>"
    )
    assert _read(xml.format("internal"), False).created == "1970-01-01T00:00:01Z"
    with pytest.raises(MachineRefused, match="another kind"):
        _read(xml.format("external"), False)


def test_a_tree_has_parents_before_children() -> None:
    found = [
        StandardSnapshot(name="c", parent="a", created="3"),
        StandardSnapshot(name="d", parent="c", created="4"),
        StandardSnapshot(name="orphan", parent="gone", created="0"),
        StandardSnapshot(name="b", parent="a", created="2"),
        StandardSnapshot(name="a", created="1"),
    ]
    assert [one.name for one in _as_tree(found)] == ["orphan", "a", "b", "c", "d"]
