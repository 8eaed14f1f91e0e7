"""What a mini release publishes around its disk, read by the code that reads CERN's."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from vml_jupyter.release import systems, verify
from vml_jupyter.release.history import dated_systems, tags
from vml_jupyter.release.manifest import check_object
from vml_jupyter.release.mini import disk, recipe, signature, stacks, stratum
from vml_jupyter.release.mirror import served


def disk_of(tmp_path: Path) -> Path:
    (tmp_path / "mbr.bin").write_bytes(b"\xfa" * 440)
    (tmp_path / "boot-2021.05-1.img").write_bytes(b"B" * (3 << 20))
    (tmp_path / "system.img").write_bytes(b"\0" * (4 << 20) + b"S" * 4096)
    image = tmp_path / "image.hdd"
    disk.assemble(tmp_path, image, "2021.05-1")
    return image


def test_disk_has_an_active_boot_partition_and_the_systems(tmp_path: Path) -> None:
    content = disk_of(tmp_path).read_bytes()
    assert content[510:512] == b"\x55\xaa"
    entries = [content[446 + 16 * i : 462 + 16 * i] for i in range(4)]
    assert [entry[0] for entry in entries] == [0x80, 0, 0, 0]
    (boot, boot_size), (system, system_size) = (struct.unpack("<II", entry[8:]) for entry in entries[:2])
    assert content[boot * 512 : (boot + boot_size) * 512] == b"B" * (3 << 20)
    assert content[system * 512 : (system + system_size) * 512] == (tmp_path / "system.img").read_bytes()
    assert system >= boot + boot_size
    assert len(content) == (system + system_size) * 512


def test_zeros_become_holes(tmp_path: Path) -> None:
    status = disk_of(tmp_path).stat()
    assert status.st_blocks * 512 < status.st_size - (3 << 20)


def test_signature_is_one_that_the_verifier_accepts(tmp_path: Path) -> None:
    image, authority = disk_of(tmp_path), tmp_path / "mini-ca.crt"
    sha256 = signature.sign(image, authority, recipe.BOOTLOADERS[-1])
    assert sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    judged = verify(image, authority.read_bytes())
    assert (judged.status, judged.reason) == ("signed", "")
    assert judged.signer == "/DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch"


def test_systems_are_listed_as_a_stratum_one_lists_them(tmp_path: Path) -> None:
    stratum.publish_all(tmp_path / "cvmfs", tmp_path / "scratch")
    with served(tmp_path) as url:
        listed = systems(url)
        bound = {each.release.system: each.bootloader for each in dated_systems(url)}
    assert [(release.system, release.root_hash) for release in listed] == [
        (system.version, system.root_hash) for system in reversed(recipe.SYSTEMS)
    ]
    assert bound == {system.version: system.bootloader for system in recipe.SYSTEMS}
    assert recipe.GONE.version not in bound
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("state", [*recipe.SYSTEMS, *recipe.REVISIONS], ids=lambda state: state.tag)
def test_what_a_tag_pins_can_be_fetched(state: recipe.System | recipe.Revision, tmp_path: Path) -> None:
    stratum.publish_all(tmp_path, tmp_path / "scratch")
    name = state.root_hash
    stored = (tmp_path / state.fqrn / "data" / name[:2] / f"{name[2:]}C").read_bytes()
    check_object(stored, name)
    (tmp_path / "catalog").write_bytes(zlib.decompress(stored))
    with closing(sqlite3.connect(tmp_path / "catalog")) as database:
        told = dict(database.execute("SELECT key, value FROM properties"))
        assert database.execute("SELECT name, mode FROM catalog").fetchall() == [("", 0o040755)]
    assert (told["revision"], told["fqrn"]) == (str(state.revision), state.fqrn)


@pytest.mark.parametrize("gone", [recipe.GONE, recipe.GONE_REVISION], ids=["system", "revision"])
def test_what_is_gone_is_nowhere(gone: recipe.System | recipe.Revision, tmp_path: Path) -> None:
    stratum.publish_all(tmp_path / "cvmfs", tmp_path / "scratch")
    assert not list(tmp_path.glob(f"cvmfs/*/data/*/{gone.root_hash[2:]}C"))
    assert gone.tag not in disk.systems_table() + disk.repositories_table()
    with served(tmp_path) as url:
        named = [tag.name for tag in tags(url, gone.fqrn)]
    assert named
    assert gone.tag not in named


def test_a_package_is_in_one_folder_of_each_stack() -> None:
    for system in recipe.SYSTEMS:
        pins = [line.split()[0] for line in system.lock_file.read_text().splitlines() if line[:1] != "#"]
        assert {stacks.folders()[pin] for pin in pins} == set(stacks.stack(system))
    assert stacks.stack(recipe.SYSTEMS[0])[0] == "cernvm-system-4.4.0.1/cvm4"
    assert stacks.folder_of(Path("argon2_cffi-23.1.0-py3-none-any.whl")) == "shared/4.4.0.1+4.5.0.1"
