"""Warm states without a hypervisor: the saved file's head, the pipe, the description, and what is kept on the disk."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Foreign
from vml_jupyter.machine import MachineSpec, WarmState, WarmStore
from vml_jupyter.machine.domain_xml import domain_xml, machine_uuid
from vml_jupyter.machine.network import Network
from vml_jupyter.machine.saved import Head, digest_of_rest, encode_head, fed, read_head
from vml_jupyter.machine.warm import adopted_xml, write_place
from vml_jupyter.machine.warm_store import file_of, key_of
from vml_jupyter.model import Release, Shape

XML = "<domain type='qemu'><name>vml-warm</name></domain>"
MEMORY = os.urandom(3 << 20)


def saved(path: Path, xml: str = XML, cookie: bytes = b"<cookie/>", rest: bytes = MEMORY) -> Path:
    head = encode_head(Head(xml=xml, cookie=cookie, was_running=1, size_bytes=0), xml)
    path.write_bytes(head + rest)
    return path


@given(xml=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), cookie=st.binary())
def test_a_head_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, xml: str, cookie: bytes
) -> None:
    cookie = cookie.replace(b"\0", b"x")
    file = saved(tmp_path_factory.mktemp("head") / "memory", xml, cookie, b"rest")
    head = read_head(file)
    assert (head.xml, head.cookie, head.was_running) == (xml, cookie, 1)
    assert file.read_bytes()[head.size_bytes :] == b"rest"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"LibvirtQemudSave",
        b"LibvirtQemudPart" + bytes(76),
        struct.pack("<16s5I56x", b"LibvirtQemudSave", 3, 10, 1, 0, 0) + b"x" * 10,
        struct.pack("<16s5I56x", b"LibvirtQemudSave", 2, 10, 1, 2, 0) + b"x" * 10,
        struct.pack("<16s5I56x", b"LibvirtQemudSave", 2, 1 << 30, 1, 0, 0) + b"x" * 10,
        struct.pack("<16s5I56x", b"LibvirtQemudSave", 2, 10, 1, 0, 99) + b"x" * 10,
        struct.pack("<16s5I56x", b"LibvirtQemudSave", 2, 2, 1, 0, 0) + b"\xff\xfe",
    ],
)
def test_what_is_no_saved_machine_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "memory"
    file.write_bytes(data)
    with pytest.raises(Foreign):
        read_head(file)


def test_a_pipe_gives_the_same_memory_below_another_description(tmp_path: Path) -> None:
    file, pipe = saved(tmp_path / "memory"), tmp_path / "pipe"
    with fed(file, pipe, lambda xml: xml.replace("warm", "other"), digest_of_rest(file)):
        received = pipe.read_bytes()
    copy = tmp_path / "received"
    copy.write_bytes(received)
    assert read_head(copy).xml == XML.replace("warm", "other")
    assert read_head(copy).cookie == b"<cookie/>"
    assert received[read_head(copy).size_bytes :] == MEMORY
    assert not pipe.exists()


def test_memory_that_changed_on_the_disk_is_noticed(tmp_path: Path) -> None:
    file, pipe = saved(tmp_path / "memory"), tmp_path / "pipe"
    was = digest_of_rest(file)
    with file.open("r+b") as changed:
        changed.seek(-1, os.SEEK_END)
        changed.write(bytes([MEMORY[-1] ^ 1]))
    with pytest.raises(Foreign, match="not what was saved"), fed(file, pipe, str, was):
        pipe.read_bytes()


@pytest.mark.parametrize("reader", ["nobody", "one that goes away"])
def test_who_does_not_read_does_not_keep_the_pipe_open(tmp_path: Path, reader: str) -> None:
    file, pipe = saved(tmp_path / "memory"), tmp_path / "pipe"
    with pytest.raises(Foreign), fed(file, pipe, str, digest_of_rest(file)):
        read_some(pipe, 0 if reader == "nobody" else 1000)
    assert not pipe.exists()
    assert [thread.name for thread in threading.enumerate() if thread.name == "vml-saved-memory"] == []


def read_some(pipe: Path, size: int) -> None:
    if size:
        with pipe.open("rb") as half:
            half.read(size)


def test_a_description_becomes_another_machines_in_all_that_is_its_own(tmp_path: Path) -> None:
    waiting, mine = (spec_of(tmp_path, name) for name in ("w" * 12, "m" * 12))
    write_place(waiting.folder / "place.iso")
    theirs = Network(kind="passt", port=1, socket=waiting.network_socket)
    ours = Network(kind="passt", port=2, socket=mine.network_socket)
    described = adopted_xml(domain_xml(waiting, theirs), domain_xml(mine, ours), mine, ours)
    assert waiting.id not in described
    assert str(waiting.folder) not in described
    root = ET.fromstring(described)
    assert root.findtext("name") == mine.name
    assert root.findtext("uuid") == machine_uuid(mine.id)
    assert root.findtext("title") == "Higgs"
    [area] = [disk for disk in root.iter("disk") if disk.find("target[@dev='vdc']") is not None]
    assert area.get("type") == "network"
    assert area.find("source/host[@port='4711']") is not None


def spec_of(top: Path, machine_id: str) -> MachineSpec:
    folder = top / machine_id
    folder.mkdir()
    is_mine = machine_id.startswith("m")
    area = {"area_url": "http://127.0.0.1:4711/area.iso"} if is_mine else {"area_path": folder / "place.iso"}
    return MachineSpec(
        id=machine_id,
        entry="",
        release=Release(system="4.5.1.0"),
        folder=folder,
        image=top / "image.hdd",
        context_iso=folder / "context.iso",
        title="Higgs" if is_mine else f"warm {machine_id}",
        **area,  # type: ignore[arg-type]
    )


def kept(store: WarmStore, name: str, size: int = 8192) -> dict[str, str]:
    """Keep a state of that name, and return its facts."""
    facts = {"release": name}
    draft = store.folder / f".draft-{name}"
    draft.mkdir(parents=True)
    files = {}
    for file in ("memory", "scratch.qcow2"):
        (draft / file).write_bytes(os.urandom(size))
        files[file] = file_of(draft / file, hashlib.sha256((draft / file).read_bytes()).hexdigest())
    state = WarmState(
        facts=facts,
        release=Release(system=name),
        shape=Shape(),
        accelerator="tcg",
        network="passt",
        memory=files["memory"],
        scratch=files["scratch.qcow2"],
        created="2026-01-01T00:00:00Z",
    )
    store.keep(draft, state)
    return facts


def test_a_state_serves_its_own_facts_only(tmp_path: Path) -> None:
    store = WarmStore(tmp_path / "warm")
    facts = kept(store, "4.5.0.1")
    frozen, why = store.find(facts)
    assert frozen is not None
    assert (frozen.network, why) == ("passt", "")
    assert store.find({**facts, "hypervisor": "newer"}) == (None, "")
    assert [each.state.release.system for each in store.listing()] == ["4.5.0.1"]


@pytest.mark.parametrize("harm", ["cut", "touched", "gone", "record", "foreign record"])
def test_a_state_that_was_harmed_is_removed_and_told(tmp_path: Path, harm: str) -> None:
    store = WarmStore(tmp_path / "warm")
    facts, others = kept(store, "4.5.0.1"), kept(store, "4.5.1.0")
    folder, memory = store.folder / key_of(facts), store.folder / key_of(facts) / "memory"
    if harm == "cut":
        os.truncate(memory, 100)
    elif harm == "touched":
        os.utime(memory, ns=(1, 1))
    elif harm == "gone":
        memory.unlink()
    elif harm == "record":
        (folder / "state.json").write_text("{")
    else:
        (folder / "state.json").write_bytes((store.folder / key_of(others) / "state.json").read_bytes())
    frozen, why = store.find(facts)
    assert frozen is None
    assert why
    assert not folder.exists()
    assert store.find(others)[0] is not None


def test_the_quota_is_kept_and_the_longest_unused_goes_first(tmp_path: Path) -> None:
    store = WarmStore(tmp_path / "warm")
    facts = [kept(store, name, 1 << 20) for name in ("a", "b", "c")]
    for age, each in enumerate(facts):
        os.utime(store.folder / key_of(each) / "used", (1000 + age, 1000 + age))
    store.find(facts[0])
    assert store.bound(5 << 20) == [key_of(facts[1])]
    assert [each.state.release.system for each in store.listing()] == ["a", "c"]
    assert store.bound(0) == [key_of(facts[2]), key_of(facts[0])]


def test_what_crashes_leave_is_swept(tmp_path: Path) -> None:
    store = WarmStore(tmp_path / "warm")
    facts = kept(store, "4.5.0.1")
    for name in (".draft-abcdefabcdef", ".gone-0123456789abcdef-1-2", "0123456789abcdef"):
        (store.folder / name).mkdir()
        (store.folder / name / "memory").write_bytes(b"x")
    store.sweep()
    assert [folder.name for folder in store.folder.iterdir()] == [key_of(facts)]
