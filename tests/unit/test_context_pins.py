"""The pins of an entry's repositories, as micro-CernVM, cloud-init and amiconfig read them."""

from __future__ import annotations

import email
import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.cli.main import main
from vml_jupyter.context import USER_DATA_LIMIT, client_files, user_data, write_context_iso
from vml_jupyter.errors import NotFound, Usage, WouldOverwrite
from vml_jupyter.flows.context import chosen_pins, context_of, write
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.guest import GuestConfig, pickup, pickup_of
from vml_jupyter.model import Environment, Mount, Pin, Release, pins_of, system_pin, unpinned

RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
SFT = Mount(path="/cvmfs/sft.cern.ch", fqrn="sft.cern.ch", revision=4711, root_hash="ab" * 20)
ATLAS = Mount(path="/cvmfs/atlas.cern.ch", fqrn="atlas.cern.ch", tag="trunk-2021-04-30")
SYSTEM = Mount(path="/mnt/.ro", fqrn="cernvm-prod.cern.ch", root_hash="cd" * 20, tag=RELEASE.tag)
SILENT = Mount(path="/cvmfs/lhcb.cern.ch", unknown="did not answer within 2 s")
RECORDED = Environment(release=RELEASE, cvmfs=(SFT, SYSTEM, ATLAS, SILENT))

EVIL = (
    Mount(path="/cvmfs/../../etc/cron.d", fqrn="../../etc/cron.d", root_hash="ab" * 20),
    Mount(path="/cvmfs/a.b", fqrn="c.d", root_hash="ab" * 20),
    Mount(path="/cvmfs/x.cern.ch", fqrn="x.cern.ch", root_hash="$(reboot)", tag="a;reboot"),
    Mount(path="/cvmfs/y.cern.ch", fqrn="y.cern.ch", tag="a\nCVMFS_SERVER_URL=http://evil"),
    Mount(path="/cvmfs/z.cern.ch\n[cernvm]\nusers=a", root_hash="ab" * 20),
    Mount(path="/cvmfs/-rf", fqrn="-rf", root_hash="ab" * 20),
    Mount(path="/cvmfs/.cern.ch", root_hash="ab" * 20),
    Mount(path=f"/cvmfs/{'a' * 200}.ch", root_hash="ab" * 20),
)

hashes = st.from_regex(r"[0-9a-f]{40}(-shake128)?", fullmatch=True)
fqrns = st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9]{0,5}){1,2}", fullmatch=True)
tags = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True)
pins = st.builds(
    lambda fqrn, moment: Pin(fqrn=fqrn, **moment),
    fqrns,
    st.one_of(st.builds(lambda h: {"root_hash": h}, hashes), st.builds(lambda t: {"tag": t}, tags)),
)


def parts_of(raw: bytes) -> dict[str, str]:
    document = email.message_from_bytes(raw)
    parts = [part for part in document.walk() if not part.is_multipart()]
    assert {part["Content-Transfer-Encoding"] for part in parts} == {"7bit"}
    return {part.get_content_type(): str(part.get_payload()) for part in parts}


def as_amiconfig_reads(raw: bytes) -> dict[str, dict[str, str]]:
    """Do what amiconfig does with any user-data: the lines of Python 2's ConfigParser, all others left out."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] | None = None
    for line in raw.decode("ascii").splitlines():
        header = re.match(r"\[(?P<header>[^]]+)\]", line)
        option = re.match(r"(?P<option>[^:=\s][^:=]*)\s*[:=]\s*(?P<value>.*)$", line)
        if header:
            section = found.setdefault(header["header"], {})
        elif option and section is not None:
            section[option["option"].rstrip().lower()] = option["value"]
    return found


def as_a_shell_reads(content: bytes) -> dict[str, str]:
    script = b"set -eu\n" + content + b'\nprintf "%s\\n" "${CVMFS_ROOT_HASH-}" "${CVMFS_REPOSITORY_TAG-}"\n'
    told = subprocess.run(["sh"], input=script, capture_output=True, check=True)
    assert told.stderr == b""
    root_hash, tag = told.stdout.decode().splitlines()
    return {"root_hash": root_hash, "tag": tag}


def members(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in files}  # type: ignore[union-attr]


def test_what_was_recorded_becomes_pins() -> None:
    assert pins_of(RECORDED) == (
        Pin(fqrn="sft.cern.ch", root_hash="ab" * 20, revision=4711),
        Pin(fqrn="atlas.cern.ch", tag="trunk-2021-04-30"),
    )
    assert unpinned(RECORDED) == ("/cvmfs/lhcb.cern.ch",)
    assert system_pin(RELEASE) == Pin(fqrn="cernvm-prod.cern.ch", tag="cernvm-system-4.5.0.1")
    assert system_pin(Release(system="")) is None
    both = msgspec.structs.replace(SFT, tag="moves")
    assert pins_of(Environment(cvmfs=(both, SFT)))[0].tag == "", "a root hash is exact, a tag may be moved"


@pytest.mark.parametrize("mount", EVIL)
def test_what_is_no_name_or_hash_is_no_pin(mount: Mount) -> None:
    recorded = Environment(release=RELEASE, cvmfs=(mount,))
    assert pins_of(recorded) == ()
    assert unpinned(recorded) == (mount.path,)


@pytest.mark.parametrize(
    "fqrn", ["../../etc/cron.d", "-rf", ".cern.ch", "a", "a.b\n", "a.b/c", f"{'a' * 200}.ch"]
)
@pytest.mark.parametrize("tag", ["", "a;reboot", "a\nb", "trunk"])
def test_a_pin_cannot_be_made_of_anything_else(fqrn: str, tag: str) -> None:
    with pytest.raises(ValueError, match="no CernVM-FS repository"):
        Pin(fqrn=fqrn, tag=tag)
    with pytest.raises(ValueError, match="no CernVM-FS repository"):
        Pin(fqrn="sft.cern.ch", tag=tag if tag != "trunk" else "", root_hash="" if tag else "$(reboot)")


def test_the_three_readers_are_told_the_same() -> None:
    found = pins_of(RECORDED)
    raw = user_data(RELEASE, pins=found)
    files = client_files(found)
    assert {path: as_a_shell_reads(content) for path, content in files.items()} == {
        "etc/cvmfs/config.d/sft.cern.ch.local": {"root_hash": "ab" * 20, "tag": ""},
        "etc/cvmfs/config.d/atlas.cern.ch.local": {"root_hash": "", "tag": "trunk-2021-04-30"},
    }
    config = yaml.safe_load(parts_of(raw)["text/cloud-config"])
    assert {each["path"][1:]: each["content"].encode() for each in config["write_files"]} == files
    told = as_amiconfig_reads(raw)
    assert told["amiconfig"] == {"plugins": "cernvm"}
    assert told["cernvm"] == {"repositories": "sft.cern.ch,atlas.cern.ch"}
    assert raw.startswith(b"MIME-Version")
    assert b"\n[ucernvm-begin]\ncvmfs_tag=cernvm-system-4.5.0.1\ncernvm_path=cvm4\n[ucernvm-end]\n" in raw


@given(st.lists(pins, max_size=8, unique_by=lambda pin: pin.fqrn))
def test_every_pin_is_read_back(found: list[Pin]) -> None:
    raw = user_data(RELEASE, pins=found)
    assert b"\r" not in raw
    wanted = {pin.fqrn: pin.root_hash or pin.tag for pin in found}
    unpacked = members(pickup_of(client_files(found))) if found else {}
    assert [path.rpartition("/")[2] for path in unpacked] == [f"{fqrn}.local" for fqrn in wanted]
    assert [content.decode().partition("=")[2].strip() for content in unpacked.values()] == list(
        wanted.values()
    )
    if found:
        config = yaml.safe_load(parts_of(raw)["text/cloud-config"])
        assert [each["content"].encode() for each in config["write_files"]] == list(unpacked.values())
        assert as_amiconfig_reads(raw)["cernvm"]["repositories"].split(",") == list(wanted)


def test_without_pins_the_text_is_the_block_alone() -> None:
    assert user_data(RELEASE, pins=()).startswith(b"[ucernvm-begin]\n")
    assert pickup_of({}) == b""


def test_a_cernvm_5_is_told_by_cloud_init_alone() -> None:
    raw = user_data(Release(system="5-1.0.1"), pins=pins_of(RECORDED), cloud_config="packages: [root]")
    assert raw.startswith(b"#cloud-config\nwrite_files:\n")
    assert set(yaml.safe_load(raw)) == {"write_files", "packages"}


def test_a_hundred_repositories_fit_and_more_are_refused_with_advice() -> None:
    many = [Pin(fqrn=f"atlas-nightly{n:02}.cern.ch", root_hash=f"{n:040x}") for n in range(200)]
    assert len(user_data(RELEASE, pins=many[:100])) < USER_DATA_LIMIT
    with pytest.raises(Usage, match="--without-pin"):
        user_data(RELEASE, pins=many)


def test_a_machines_pickup_has_agent_and_pins() -> None:
    config = GuestConfig(token="t", machine="m")
    unpacked = members(pickup(config, client_files(pins_of(RECORDED))))
    assert {"etc/vml/machine.json", "etc/cvmfs/config.d/sft.cern.ch.local"} <= set(unpacked)
    assert pickup(config, {}) == pickup(config)


@pytest.mark.parametrize(
    ("without", "left"),
    [((), 2), (("sft.cern.ch",), 1), (("atlas.cern.ch", "sft.cern.ch"), 0), (("all",), 0)],
)
def test_pins_can_be_done_without(without: tuple[str, ...], left: int) -> None:
    assert len(chosen_pins(RECORDED, without)) == left


def test_a_pin_that_is_not_there_cannot_be_done_without() -> None:
    with pytest.raises(NotFound, match=r"it has: sft\.cern\.ch, atlas\.cern\.ch"):
        chosen_pins(RECORDED, ["cms.cern.ch"])


@pytest.fixture
def entry(settings: Settings, tmp_path: Path) -> str:
    """An entry that was captured in a CernVM with repositories mounted."""
    from vml_jupyter.flows.capture import capture

    area = tmp_path / "area"
    area.mkdir()
    taken = capture(settings, area)
    with opened(settings) as logbook:
        return logbook.edit(msgspec.structs.replace(taken, environment=RECORDED)).id


@pytest.fixture
def vml(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("VML_DATA", str(settings.data))
    monkeypatch.setenv("VML_CONFIG", str(settings.config))

    def run(*words: object) -> tuple[int, str, str]:
        status = main([str(word) for word in words])
        return (status, *capsys.readouterr())

    return run


def test_the_context_of_an_entry_on_the_command_line(vml: Any, entry: str, tmp_path: Path) -> None:
    status, text, _ = vml("context", entry, "--text", "--set", "cvmfs_http_proxy=http://p:3128;DIRECT")
    assert status == 0
    assert '\ncvmfs_http_proxy="http://p:3128;DIRECT"\n[ucernvm-end]\n' in text
    file = tmp_path / "context.iso"
    status, told, _ = vml("context", entry, "-o", file, "--without-pin", "atlas.cern.ch")
    assert status == 0
    assert "pinned: sft.cern.ch, revision 4711" in told
    assert "not pinned: atlas.cern.ch" in told
    assert "not pinned: /cvmfs/lhcb.cern.ch" in told
    before = file.read_bytes()
    assert b"CVMFS_REPOSITORY_TAG" not in before
    assert b"token" not in before
    assert b"machine.json" not in before
    status, _, error = vml("context", entry, "-o", file)
    assert status == 1
    assert "--overwrite" in error
    assert file.read_bytes() == before
    told = json.loads(vml("context", entry, "-o", file, "--overwrite", "--json")[1])
    assert (told["path"], len(told["pins"])) == (str(file), 2)
    assert told["user_data"].encode() in file.read_bytes()
    status, _, error = vml("context", entry, "-o", tmp_path, "--overwrite")
    assert (status, "Name another file" in error) == (1, True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["area", "config", "context.iso", "data"]


@pytest.mark.parametrize(
    "value",
    [
        *("a=b\nc=d", "a=\x1b", "A=b", "a=é"),
        *("cvmfs_tag=cernvm-system-3.1.0.0", "cernvm_path=cvm3", "cvmfs_branch=cernvm-devel.cern.ch"),
    ],
)
def test_settings_that_would_break_the_text_are_refused(vml: Any, entry: str, value: str) -> None:
    status, told, _ = vml("context", entry, "--text", "--set", value)
    assert (status, told) == (2, "")


def test_what_every_machine_is_told_comes_from_the_settings(settings: Settings, entry: str) -> None:
    settings.config.mkdir(exist_ok=True)
    (settings.config / "config.json").write_text(
        '{"context": {"cvmfs_server": "a.cern.ch,b.cern.ch", "x": "1"}}'
    )
    said = load({"VML_DATA": str(settings.data), "VML_CONFIG": str(settings.config)})
    raw = context_of(said, entry, extra={"x": "2"}).user_data
    assert b"cvmfs_server=a.cern.ch,b.cern.ch\nx=2\n" in raw


def test_a_setting_cannot_choose_another_system_silently(settings: Settings, entry: str) -> None:
    settings.config.mkdir(exist_ok=True)
    (settings.config / "config.json").write_text('{"context": {"cernvm_path": "cvm3"}}')
    said = load({"VML_DATA": str(settings.data), "VML_CONFIG": str(settings.config)})
    with pytest.raises(Usage, match="contradicts"):
        context_of(said, entry)


def test_of_two_writers_one_is_refused_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.iso"
    link = tmp_path / "link.iso"
    link.symlink_to(file)
    with pytest.raises(WouldOverwrite):
        write_context_iso(link, b"", b"", "m", overwrite=True)
    write_context_iso(file, b"1", b"", "m", overwrite=False)
    with pytest.raises(WouldOverwrite):
        write_context_iso(file, b"2", b"", "m", overwrite=False)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c.iso", "link.iso"]


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root may mount; the machines of tests/integration do it too"
)
def test_the_kernel_reads_the_iso(settings: Settings, entry: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "context.iso", tmp_path / "drive"
    context = context_of(settings, entry)
    write(context, file)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "iso9660", "-o", "loop,ro", file, folder], capture_output=True, text=True
    )
    if "loop" in mounted.stderr or "unknown filesystem type" in mounted.stderr:
        pytest.skip(f"this kernel cannot mount ISOs, a machine's does in tests/integration: {mounted.stderr}")
    assert mounted.returncode == 0, mounted.stderr
    try:
        label = subprocess.run(["blkid", "-o", "value", "-s", "LABEL", file], capture_output=True, text=True)
        assert label.stdout.strip() == "config-2"
        assert (folder / "openstack/latest/user_data").read_bytes() == context.user_data
        assert (folder / "ec2/latest/user-data").read_bytes() == context.user_data
        unpacked = members((folder / "cernvm/pickup.tar.gz").read_bytes())
        assert unpacked == client_files(context.pins)
    finally:
        subprocess.run(["umount", folder], check=True)
