"""The user-data as a shell, micro-CernVM and cloud-init read it, and the ISO as other programs read it."""

from __future__ import annotations

import email
import io
import json
import stat
import subprocess
import uuid
from pathlib import Path

import pycdlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vml_jupyter.context import (
    USER_DATA_LIMIT,
    quoted,
    ucernvm_block,
    unpack_pickup,
    user_data,
    write_context_iso,
)
from vml_jupyter.errors import HostError, ReleaseUnknown, Usage
from vml_jupyter.model import Release

RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
UUID = str(uuid.UUID(int=7))
HARD = "http://p:3128;DIRECT|x & $(touch /tmp/no) `id` 'a' \"b\" \\ $HOME *#~"

SHELLS = (["sh"], ["bash"], ["busybox", "sh"])

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
keys = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)


def as_micro_cernvm_reads(raw: bytes) -> dict[str, str]:
    """Do what micro-CernVM's parser and the shell after it do, by its published grammar."""
    assignments, inside = [], False
    for line in raw.split(b"\n")[:-1]:
        if line == b"[ucernvm-begin]":
            inside = True
        elif line == b"[ucernvm-end]":
            break
        elif inside and b"=" in line:
            key, _, value = line.partition(b"=")
            word = value.upper()
            value = b"1" if word in (b"YES", b"ON", b"TRUE") else value
            value = b"0" if word in (b"NO", b"OFF", b"FALSE") else value
            assignments.append((key.upper().decode(), value))
    script = b"".join(b"_UCONTEXT_%s=%s\n" % (key.encode(), value) for key, value in assignments)
    script += b"".join(b'printf "%%s\\0" "$_UCONTEXT_%s"\n' % key.encode() for key, _ in assignments)
    answers = [
        subprocess.run([*shell, "-e"], input=script, capture_output=True, check=True) for shell in SHELLS
    ]
    assert {answer.stderr for answer in answers} == {b""}
    assert len({answer.stdout for answer in answers}) == 1, (
        "micro-CernVM's busybox and amiconfig's bash agree"
    )
    values = answers[0].stdout.decode().split("\0")[:-1]
    return dict(zip((key for key, _ in assignments), values, strict=True))


def test_a_release_is_pinned_by_tag_and_path() -> None:
    assert user_data(RELEASE) == (
        b"[ucernvm-begin]\ncvmfs_tag=cernvm-system-4.5.0.1\ncernvm_path=cvm4\n[ucernvm-end]\n"
    )


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        (Release(system="3.7.2.0"), {"CERNVM_PATH": "cvm3"}),
        (Release(system="4.5.0.1", path="cvm4-aarch64"), {"CERNVM_PATH": "cvm4-aarch64"}),
        (Release(system="4.5.0.1", repository="cernvm-prod.cern.ch"), {"CERNVM_PATH": "cvm4"}),
        (
            Release(system="4.5.0.1", repository="cernvm-sl7.cern.ch"),
            {"CERNVM_PATH": "cvm4", "CVMFS_BRANCH": "cernvm-sl7.cern.ch"},
        ),
    ],
)
def test_what_else_belongs_to_the_pin(release: Release, expected: dict[str, str]) -> None:
    assert as_micro_cernvm_reads(user_data(release)) == {"CVMFS_TAG": release.tag, **expected}


@pytest.mark.parametrize("value", [HARD, "", "a b", "http://p:3128;DIRECT", "-n", "[ucernvm-end]", "x=y"])
def test_a_value_survives_the_shell(value: str) -> None:
    assert as_micro_cernvm_reads(user_data(RELEASE, {"key": value}))["KEY"] == value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(keys, printable.filter(lambda text: text.upper() not in SWITCHES), max_size=6))
def test_every_block_is_read_back(block: dict[str, str]) -> None:
    read = as_micro_cernvm_reads(ucernvm_block(block).encode())
    assert read == {key.upper(): value for key, value in block.items()}


SWITCHES = {"YES", "ON", "TRUE", "NO", "OFF", "FALSE"}


def test_switches_are_switches() -> None:
    read = as_micro_cernvm_reads(user_data(RELEASE, {"resize_rootfs": "off", "useglideinwms": "yes"}))
    assert (read["RESIZE_ROOTFS"], read["USEGLIDEINWMS"]) == ("0", "1")


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\0", "\x1b[2J", "\x7f", "caf\u00e9", "\u2028"])
def test_what_cannot_be_quoted_is_refused(value: str) -> None:
    with pytest.raises(Usage):
        quoted(value)
    with pytest.raises(Usage):
        user_data(Release(system="4.5.0.1", path=value))


@pytest.mark.parametrize("key", ["", "A", "a b", "a=b", "a;id", "a\nb", "1a", "[ucernvm-end]"])
def test_foreign_keys_are_refused(key: str) -> None:
    with pytest.raises(Usage):
        user_data(RELEASE, {key: "x"})


@pytest.mark.parametrize(
    ("release", "key", "value"),
    [
        (RELEASE, "cvmfs_tag", "cernvm-system-4.4.0.0"),
        (RELEASE, "cernvm_path", "cvm3"),
        (RELEASE, "cvmfs_branch", "cernvm-devel.cern.ch"),
        (RELEASE, "cvmfs_branch", "cernvm-prod.cern.ch"),
        (Release(system="4.5.0.1", path="cvm4-aarch64"), "cernvm_path", "cvm4"),
        (Release(system="4.5.0.1", repository="cernvm-prod.cern.ch"), "cvmfs_branch", "cernvm-sl7.cern.ch"),
        (Release(system="4.5.0.1", repository="cernvm-sl7.cern.ch"), "cvmfs_branch", "cernvm-prod.cern.ch"),
        (Release(system="4.5.0.1", repository="cernvm-sl7.cern.ch"), "cvmfs_branch", ""),
    ],
)
def test_what_contradicts_the_release_is_refused(release: Release, key: str, value: str) -> None:
    with pytest.raises(Usage, match=rf"^{key}={value} contradicts CernVM 4\.5\.0\.1") as refused:
        user_data(release, {key: value})
    assert "--release" in refused.value.hint
    assert "`context`" in refused.value.hint


def test_what_says_the_same_as_the_release_is_let_through() -> None:
    same = {"cvmfs_tag": RELEASE.tag, "cernvm_path": "cvm4"}
    assert user_data(RELEASE, same) == user_data(RELEASE)
    other = Release(system="4.5.0.1", repository="cernvm-sl7.cern.ch")
    assert user_data(other, {"cvmfs_branch": other.repository}) == user_data(other)
    production = Release(system="4.5.0.1", repository="cernvm-prod.cern.ch")
    told = as_micro_cernvm_reads(user_data(production, {"cvmfs_branch": production.repository}))
    assert told["CVMFS_BRANCH"] == production.repository


def test_a_release_without_a_system_is_refused() -> None:
    with pytest.raises(ReleaseUnknown):
        user_data(Release(system="", bootloader="2021.05-1"))


def test_both_readers_find_their_part() -> None:
    config = f"users:\n  - name: physicist\nfinal_message: {'x' * 2000}\n"
    raw = user_data(RELEASE, {"cvmfs_http_proxy": HARD}, cloud_config=config)
    assert as_micro_cernvm_reads(raw)["CVMFS_HTTP_PROXY"] == HARD
    document = email.message_from_bytes(raw)
    parts = {part.get_content_type(): part for part in document.walk() if not part.is_multipart()}
    assert set(parts) == {"text/ucernvm", "text/cloud-config"}
    assert {part["Content-Transfer-Encoding"] for part in parts.values()} == {"7bit"}
    assert parts["text/cloud-config"].get_payload() == f"#cloud-config\n{config}"
    assert raw == user_data(RELEASE, {"cvmfs_http_proxy": HARD}, cloud_config=config)
    assert b"\r" not in raw


@pytest.mark.parametrize("system", ["5-1.0.1", "9.1"])
def test_a_cloud_image_gets_no_block(system: str) -> None:
    assert user_data(Release(system=system)) == b"#cloud-config\n{}\n"
    assert user_data(Release(system=system), cloud_config="a: b") == b"#cloud-config\na: b\n"


@pytest.mark.parametrize("config", ["a: \u00e9", "a: b\r\n", "a: |\n  x\n[ucernvm-begin]\n"])
def test_a_cloud_config_that_would_break_the_document_is_refused(config: str) -> None:
    with pytest.raises(Usage):
        user_data(RELEASE, cloud_config=config)


def test_the_limit_is_told() -> None:
    with pytest.raises(Usage, match=str(USER_DATA_LIMIT)):
        user_data(RELEASE, {"key": "x" * USER_DATA_LIMIT})


def test_the_unit_of_the_pickup_is_started() -> None:
    assert "  - systemctl start --no-block vml-agent.service\n" in unpack_pickup("vml-agent.service")
    with pytest.raises(Usage):
        unpack_pickup("a.service; reboot")


EXPECTED = {
    "/openstack/latest/user_data": b"data",
    "/openstack/latest/meta_data.json": None,
    "/ec2/latest/user-data": b"data",
    "/ec2/latest/meta-data.json": None,
    "/cernvm/pickup.tar.gz": b"\x1f\x8b",
}


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    file = tmp_path / "context.iso"
    write_context_iso(file, b"data", b"\x1f\x8b", UUID, hostname="dimuon")
    return file


@pytest.mark.parametrize("names", ["rr_path", "joliet_path"])
def test_the_iso_is_read_back_by_either_kind_of_name(iso: Path, names: str) -> None:
    disk = pycdlib.PyCdlib()
    disk.open(str(iso))
    found = {}
    for folder, _, files in disk.walk(**{names: "/"}):
        for name in files:
            content = io.BytesIO()
            disk.get_file_from_iso_fp(content, **{names: f"{folder.rstrip('/')}/{name}"})
            found[f"{folder.rstrip('/')}/{name}"] = content.getvalue()
    disk.close()
    assert set(found) == set(EXPECTED)
    assert all(found[name] == content for name, content in EXPECTED.items() if content is not None)
    assert json.loads(found["/openstack/latest/meta_data.json"]) == {"uuid": UUID, "hostname": "dimuon"}
    assert json.loads(found["/ec2/latest/meta-data.json"]) == {"instance-id": UUID}


def test_another_program_reads_the_iso(iso: Path) -> None:
    def isoinfo(*arguments: str) -> str:
        return subprocess.run(
            ["isoinfo", *arguments, "-i", iso], capture_output=True, text=True, check=True
        ).stdout

    about = isoinfo("-d")
    assert "Volume id: config-2\n" in about
    assert "Rock Ridge" in about
    assert "Joliet" in about
    assert set(isoinfo("-R", "-f").split()) > set(EXPECTED)
    assert isoinfo("-R", "-x", "/openstack/latest/user_data") == "data"
    secret = next(line for line in isoinfo("-R", "-l").splitlines() if "pickup" in line)
    assert secret.startswith("-r--------")


def test_the_iso_is_for_its_owner_and_appears_whole(iso: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(iso.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["context.iso"]
    iso.chmod(0o644)
    write_context_iso(iso, b"data", b"", UUID)
    assert stat.S_IMODE(iso.stat().st_mode) == 0o600
    assert b"pickup" not in iso.read_bytes()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        write_context_iso(tmp_path / "absent" / "context.iso", b"", b"", UUID)


def test_a_machines_own_id_becomes_a_uuid(tmp_path: Path) -> None:
    written = []
    for number, machine in enumerate(("k3v9x0c2mqa7", "k3v9x0c2mqa7", "zzzzzzzzzzzz")):
        file = tmp_path / f"{number}.iso"
        write_context_iso(file, b"", b"", machine)
        disk, content = pycdlib.PyCdlib(), io.BytesIO()
        disk.open(str(file))
        disk.get_file_from_iso_fp(content, rr_path="/openstack/latest/meta_data.json")
        disk.close()
        written.append(uuid.UUID(json.loads(content.getvalue())["uuid"]))
    assert written[0] == written[1] != written[2]
