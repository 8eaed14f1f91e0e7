"""Finding images on this computer by their content."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from vml_jupyter.model import Release
from vml_jupyter.release import digests as digests_room
from vml_jupyter.release import find_local, identify
from vml_jupyter.release.digests import digest

V4 = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
PAYLOAD = bytes(200 * 1024)


def block(text: str) -> bytes:
    return text.encode().ljust(32768, b"\0")


def claims(bootloader: str = "2021.05-1", flavour: str = "v4prod", architecture: str = "x86_64") -> str:
    return json.dumps(
        {
            "ucernvm-version": f"{bootloader}.cernvm.{architecture}",
            "os-repo": flavour,
            "snapshot": "HEAD4",
        }
    )


def image(file: Path, first: str | None = None, payload: bytes = PAYLOAD) -> Path:
    text = claims() if first is None else first
    file.write_bytes(payload + block(text + "\n") + block("{}\n"))
    return file


def fat16(line: bytes, *, start: int = 512, name: bytes = b"VERSION    ") -> bytes:
    """Make a disk with one FAT16 partition that holds one file, the way mkdosfs lays it out."""
    boot = bytearray(512)
    boot[:3] = b"\xeb\x3c\x90"
    struct.pack_into("<HBHBHHBH", boot, 11, 512, 4, 1, 2, 512, 40000, 0xF8, 40)
    boot[510:] = b"\x55\xaa"
    root = bytearray(512 * 32)
    root[:11], root[11] = b"CERNVM     ", 0x08
    root[32:43], root[43] = name, 0x20
    struct.pack_into("<HI", root, 32 + 26, 3, len(line))
    data = bytes(4 * 512) + line.ljust(4 * 512, b"\0")
    table = bytearray(512)
    table[446], table[450] = 0x80, 0x0E
    struct.pack_into("<II", table, 454, start // 512, 40000)
    table[510:] = b"\x55\xaa"
    disk = bytes(table).ljust(start, b"\0") + bytes(boot) + bytes(2 * 40 * 512) + bytes(root) + data
    return disk + bytes(128 * 1024)


VERSION = b"cernvm-prod.cern.ch at HEAD4, uCernVM 2021.05-1.cernvm.x86_64\n"


def test_a_renamed_image_is_found(tmp_path: Path) -> None:
    old = image(tmp_path / "my-old-cernvm.img")
    (tmp_path / "ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd").write_bytes(b"just a name" * 50000)
    assert find_local(V4, [tmp_path / "absent", tmp_path]) == old


@pytest.mark.parametrize(
    "other",
    [
        claims(bootloader="2020.07-1"),
        claims(flavour="devel"),
        claims(architecture="aarch64"),
        "not JSON",
        '{"ucernvm-version": 5}',
        '{"ucernvm-version": "2021.05-1.cernvm.x86_64"' + "\x00x",
    ],
)
def test_another_image_is_not_taken(tmp_path: Path, other: str) -> None:
    image(tmp_path / "a.hdd", other)
    assert find_local(V4, [tmp_path]) is None


def test_the_early_blocks_without_commas_are_read(tmp_path: Path) -> None:
    text = '{\n"ucernvm-version": "2.0-2.cernvm.x86_64"\n"os-repo": "prod"\n"snapshot": "HEAD"\n}'
    found = identify(image(tmp_path / "a.hdd", text))
    assert found is not None
    assert (found.bootloader, found.flavour) == ("2.0-2", "prod")


def test_an_unsigned_image_is_known_by_its_version_file(tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    file.write_bytes(fat16(VERSION))
    found = identify(file)
    assert found is not None
    assert (found.bootloader, found.flavour, found.size_bytes) == ("2021.05-1", "v4prod", file.stat().st_size)
    assert find_local(V4, [tmp_path]) == file


@pytest.mark.parametrize(
    "disk",
    [
        fat16(b"<html>"),
        fat16(VERSION, name=b"VERSION TXT"),
        fat16(VERSION)[:700].ljust(200000, b"\xff"),
        b"\xff" * 200000,
        bytes(510) + b"\x55\xaa" + bytes(200000),
    ],
)
def test_broken_disks_are_no_images(tmp_path: Path, disk: bytes) -> None:
    (tmp_path / "a.raw").write_bytes(disk)
    assert identify(tmp_path / "a.raw") is None


@pytest.mark.skipif(not shutil.which("mcopy"), reason="mtools make a FAT file system without mounting it")
def test_a_real_fat_is_read(tmp_path: Path) -> None:
    disk, line = tmp_path / "a.raw", tmp_path / "version"
    line.write_bytes(VERSION)
    disk.write_bytes(bytes(24 * 1024 * 1024))
    subprocess.run(["mformat", "-i", disk, "::"], check=True)
    subprocess.run(["mcopy", "-i", disk, line, "::/version"], check=True)
    found = identify(disk)
    assert found is not None
    assert found.bootloader == "2021.05-1"


def test_a_recorded_digest_decides(tmp_path: Path) -> None:
    image(tmp_path / "a.hdd")
    right = image(tmp_path / "b.hdd", payload=b"\1" * 200 * 1024)
    wanted = hashlib.sha256(right.read_bytes()).hexdigest()
    release = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256=wanted)
    assert find_local(release, [tmp_path], tmp_path / "cache") == right
    missing = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256="0" * 64)
    assert find_local(missing, [tmp_path], tmp_path / "cache") is None


def test_an_open_bootloader_takes_the_newest_of_the_right_major_version(tmp_path: Path) -> None:
    image(tmp_path / "a.hdd", claims(bootloader="2018.10-2"))
    newest = image(tmp_path / "b.hdd", claims(bootloader="2021.05-1"))
    image(tmp_path / "c.hdd", claims(bootloader="2022.01-1", flavour="v3prod"))
    assert find_local(Release(system="4.5.0.1"), [tmp_path]) == newest


def test_a_folder_that_cannot_be_read_holds_none(tmp_path: Path) -> None:
    (tmp_path / "loop.hdd").symlink_to("loop.hdd")
    (tmp_path / "folder.hdd").mkdir()
    assert find_local(V4, [tmp_path, tmp_path / "loop.hdd"]) is None


def test_a_digest_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = tmp_path / "a", tmp_path / "cache"
    file.write_bytes(b"a" * 1000)
    reads = []
    real = digests_room._hash
    monkeypatch.setattr(digests_room, "_hash", lambda *all: reads.append(all) or real(*all))
    first = digest(file, cache)
    assert digest(file, cache) == first == hashlib.sha256(b"a" * 1000).hexdigest()
    assert len(reads) == 1
    before = file.stat()
    file.write_bytes(b"b" * 1000)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digest(file, cache) != first, "a file that was changed under an old date"
    (cache / "digests.json").write_text("{ damaged")
    assert digest(file, cache) == hashlib.sha256(b"b" * 1000).hexdigest()


def test_the_memory_of_digests_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests_room, "_REMEMBERED", 3)
    for number in range(5):
        (tmp_path / str(number)).write_text(str(number))
        digest(tmp_path / str(number), tmp_path / "cache")
    assert len(json.loads((tmp_path / "cache" / "digests.json").read_text())) == 3
