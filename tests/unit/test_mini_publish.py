"""What a mini release publishes around its disk, read by the code that reads CERN's."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from vml_jupyter.release import systems, verify
from vml_jupyter.release.mini import disk, recipe, signature, stratum
from vml_jupyter.release.mirror import served


def disk_of(tmp_path: Path) -> Path:
    (tmp_path / "mbr.bin").write_bytes(b"\xfa" * 440)
    (tmp_path / "boot.img").write_bytes(b"B" * (3 << 20))
    (tmp_path / "system.img").write_bytes(b"\0" * (4 << 20) + b"S" * 4096)
    image = tmp_path / "image.hdd"
    disk.assemble(tmp_path, image)
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
    sha256 = signature.sign(image, authority)
    assert sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    judged = verify(image, authority.read_bytes())
    assert (judged.status, judged.reason) == ("signed", "")
    assert judged.signer == "/DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch"


def test_systems_are_listed_as_a_stratum_one_lists_them(tmp_path: Path) -> None:
    stratum.publish(tmp_path / "cvmfs" / recipe.REPOSITORY, tmp_path / "scratch")
    with served(tmp_path) as url:
        listed = systems(url)
    assert [(release.system, release.root_hash) for release in listed] == [
        (system.version, system.root_hash) for system in reversed(recipe.SYSTEMS)
    ]
    assert not (tmp_path / "scratch").exists()
