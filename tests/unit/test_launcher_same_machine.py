"""A launcher's machine and libvirt's are the same one: what the guest sees does not depend on who starts it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vml_jupyter.launcher import script
from vml_jupyter.launcher.script import Folder, qemu_command
from vml_jupyter.machine.domain_xml import AGENT_CHANNEL, CHANGES_CHANNEL, cpu_model, domain_xml, mac
from vml_jupyter.machine.network import Network
from vml_jupyter.machine.spec import MachineSpec
from vml_jupyter.model import Release, Shape

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
ENTRY = "e1e1e1e1e1e1"


def by_libvirt(tmp_path: Path, accelerator: str, *, cd: bool) -> ET.Element:
    spec = MachineSpec(
        id=ENTRY,
        entry=ENTRY,
        release=Release(system="4.5.0.1"),
        folder=tmp_path,
        image=tmp_path / "image",
        image_is_cd=cd,
        context_iso=tmp_path / "context.iso",
        shape=Shape(cpus=3, memory_mib=1024, scratch_gib=5),
        area_url="http://127.0.0.1:8001/area.iso",
        accelerator=accelerator,
    )
    return ET.fromstring(domain_xml(spec, Network(kind="passt", port=1, socket=tmp_path / "net.sock")))


def by_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerator: str, *, cd: bool) -> list[str]:
    monkeypatch.setattr(
        script,
        "CONFIG",
        {
            "cpu": {accelerator: cpu_model(accelerator)},
            "channels": [AGENT_CHANNEL, CHANGES_CHANNEL],
            "mac": mac(ENTRY),
            "image": {"cd": cd},
        },
    )
    record = {
        "machine": ENTRY,
        "accelerator": accelerator,
        "cpus": 3,
        "memory_mib": 1024,
        "image": {"driver": "raw", "file": {"driver": "file", "filename": "image"}},
        "area": {"driver": "nbd", "server": {"type": "unix", "path": "area.sock"}},
    }
    return qemu_command(Folder(tmp_path), record, "user,id=net")


def values(argv: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(argv) if name == option]


@pytest.mark.parametrize("accelerator", ["tcg", "kvm"])
@pytest.mark.parametrize("cd", [False, True])
def test_both_are_the_same_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accelerator: str, *, cd: bool
) -> None:
    domain = by_libvirt(tmp_path, accelerator, cd=cd)
    argv = by_launcher(tmp_path, monkeypatch, accelerator, cd=cd)
    devices = values(argv, "-device")

    # what the guest calls vda, vdb, vdc, and which of them it boots from
    disks = domain.findall("devices/disk")
    names = {"image": "boot", "scratch.qcow2": "scratch", "area.iso": "area", "context.iso": "context"}

    def node(disk: ET.Element) -> str:
        source = disk.find("source")
        assert source is not None
        return names[Path(source.get("file") or source.attrib["name"]).name]

    def on(bus: str) -> list[ET.Element]:
        found = [disk for disk in disks if disk.find(f"target[@bus='{bus}']") is not None]
        return sorted(found, key=lambda disk: disk.find("target").attrib["dev"])  # type: ignore[union-attr]

    virtio = [
        word.partition("drive=")[2].partition(",")[0] for word in devices if word.startswith("virtio-blk")
    ]
    optical = [word.partition("drive=")[2].partition(",")[0] for word in devices if word.startswith("ide-cd")]
    assert virtio == [node(disk) for disk in on("virtio")]
    assert sorted(optical) == sorted(node(disk) for disk in on("sata"))
    assert [word for word in devices if "bootindex" in word] == [
        word for word in devices if "drive=boot," in word
    ]
    assert [node(disk) for disk in disks if disk.find("boot") is not None] == ["boot"]

    # which of them has a thread of its own
    threaded = [node(disk) for disk in disks if "iothread" in disk.find("driver").attrib]  # type: ignore[union-attr]
    assert threaded == [
        word.partition("drive=")[2].partition(",")[0] for word in devices if "iothread=" in word
    ]

    # what it can write
    nodes = {each["node-name"]: each for each in map(json.loads, values(argv, "-blockdev"))}
    writable = {name for name, each in nodes.items() if not each.get("read-only")}
    assert writable == {node(disk) for disk in disks if disk.find("readonly") is None} == {"scratch"}

    # its processors and memory
    off = {each.attrib["name"] for each in domain.findall("cpu/feature[@policy='disable']")}
    model, *features = values(argv, "-cpu")[0].split(",")
    assert model == {"maximum": "max", "host-passthrough": "host"}[domain.find("cpu").attrib["mode"]]  # type: ignore[union-attr]
    assert {each.partition("=")[0] for each in features if each.endswith("=off")} == off
    assert values(argv, "-smp") == [domain.findtext("vcpu")]
    assert values(argv, "-m") == [domain.findtext("memory")]
    assert values(argv, "-machine")[0].startswith(f"{domain.find('os/type').attrib['machine']},")  # type: ignore[union-attr]

    # its ways to the outside
    card = next(word for word in devices if "virtio-net" in word)
    theirs = [arg.attrib["value"] for arg in domain.findall(f"{QEMU}commandline/{QEMU}arg")]
    assert f"mac={json.loads(theirs[-1])['mac']}," in card
    channels = [target.attrib["name"] for target in domain.findall("devices/channel/target")]
    assert [word.partition(",name=")[2] for word in devices if "virtserialport" in word] == channels
    assert any(word.startswith("virtio-rng") for word in devices)
