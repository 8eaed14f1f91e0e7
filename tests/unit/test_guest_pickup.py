"""What a fresh machine unpacks: the same bytes each time, private where it must be, and no path astray."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Usage
from vml_jupyter.guest import GuestConfig, pickup
from vml_jupyter.guest.pickup import AGENT, ASKING, CONFIG, SETUP, TELLER, UNIT, WANTS, folder_name

PLAIN = GuestConfig(token="t0ken", machine="abcdefghjkmn", area="my work")


def members(config: GuestConfig) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(pickup(config)), mode="r:gz") as archive:
        files = ((member, archive.extractfile(member)) for member in archive.getmembers())
        return {member.name: (member, file.read() if file else b"") for member, file in files}


def test_the_same_configuration_gives_the_same_bytes() -> None:
    assert (
        pickup(PLAIN) == pickup(msgspec.structs.replace(PLAIN)) != pickup(GuestConfig(token="x", machine="m"))
    )


def test_it_holds_the_agent_its_unit_and_its_configuration() -> None:
    found = members(PLAIN)
    folders = {name for name, (member, _) in found.items() if member.isdir()}
    assert set(found) - folders == {CONFIG, AGENT, TELLER, UNIT, WANTS, *ASKING}
    assert folders == {"etc/vml"} | {
        str(above)
        for path in (AGENT, *ASKING)
        for above in PurePosixPath(path).parents
        if len(above.parts) > 2
    }, "the mode of no other folder is changed"
    assert found[AGENT][1].startswith(b'"""The agent')
    assert f"/{AGENT}".encode() in found[UNIT][1]
    assert b"\nRestartSec=2\n" in found[UNIT][1], (
        "one that fails at once must leave the machine time for others"
    )
    assert (found[WANTS][0].issym(), found[WANTS][0].linkname) == (True, "../vml-agent.service")
    assert json.loads(found[CONFIG][1]) == {"token": "t0ken", "machine": "abcdefghjkmn", "area": "my work"}


def test_a_set_up_is_for_root_alone() -> None:
    with tarfile.open(fileobj=io.BytesIO(pickup(PLAIN, setup="#!/bin/sh\n")), mode="r:gz") as archive:
        assert archive.getmember(SETUP).mode == 0o700
        script = archive.extractfile(SETUP)
        assert script is not None
        assert script.read() == b"#!/bin/sh\n"


def test_only_root_reads_the_token() -> None:
    found = members(PLAIN)
    assert found[CONFIG][0].mode == 0o600
    assert found["etc/vml"][0].mode == 0o700
    assert [name for name, (_, data) in found.items() if b"t0ken" in data] == [CONFIG]
    assert {(member.uid, member.gid) for member, _ in found.values()} == {(0, 0)}


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ""},
        {"base_url": "x"},
        {"base_url": "/x"},
        {"base_url": "/a b/"},
        {"base_url": "/a\r\nX: y/"},
        {"hostname": "a b"},
        {"hostname": "-a"},
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Usage):
        pickup(msgspec.structs.replace(PLAIN, **changes))


@given(st.text())
def test_any_name_becomes_one_folder(name: str) -> None:
    made = folder_name(name)
    assert made
    assert made not in (".", "..")
    assert not set(made) & set("/,:\\\0\n")
    assert folder_name(made) == made
