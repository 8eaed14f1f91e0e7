"""Finding images on this computer by their content."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from release_images import SIGNER, VERSION, block, ca_file, claims, fat16, signed_disk

from vml_jupyter.model import Release
from vml_jupyter.progress import Stopwatch
from vml_jupyter.release import Trust, find_local, identify
from vml_jupyter.release import digests as digests_room
from vml_jupyter.release.digests import digest

V4 = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
PAYLOAD = bytes(200 * 1024)


def image(file: Path, first: str | None = None, payload: bytes = PAYLOAD) -> Path:
    text = claims() if first is None else first
    file.write_bytes(payload + block(text + "\n") + block("{}\n"))
    return file


def found(release: Release, folder: Path, **more: object) -> Path | None:
    image = find_local(release, [folder], **more)  # type: ignore[arg-type]
    return image.path if image else None


def test_a_renamed_image_is_found(tmp_path: Path) -> None:
    old = image(tmp_path / "holiday")
    (tmp_path / "ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd").write_bytes(b"just a name" * 50000)
    known = find_local(V4, [tmp_path / "absent", tmp_path])
    assert known is not None
    assert known.path == old


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
    assert found(V4, tmp_path) is None


def test_the_early_blocks_without_commas_are_read(tmp_path: Path) -> None:
    text = '{\n"ucernvm-version": "2.0-2.cernvm.x86_64"\n"os-repo": "prod"\n"snapshot": "HEAD"\n}'
    known = identify(image(tmp_path / "a.hdd", text))
    assert known is not None
    assert (known.bootloader, known.flavour) == ("2.0-2", "prod")


def test_an_unsigned_image_is_known_by_its_version_file(tmp_path: Path) -> None:
    file = tmp_path / "a.raw"
    file.write_bytes(fat16(VERSION))
    known = identify(file)
    assert known is not None
    assert (known.bootloader, known.flavour, known.size_bytes) == ("2021.05-1", "v4prod", file.stat().st_size)
    assert found(V4, tmp_path) == file


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


def test_a_real_fat_is_read(tmp_path: Path) -> None:
    disk, line = tmp_path / "a.raw", tmp_path / "version"
    line.write_bytes(VERSION)
    disk.write_bytes(bytes(24 * 1024 * 1024))
    subprocess.run(["mformat", "-i", disk, "::"], check=True)
    subprocess.run(["mcopy", "-i", disk, line, "::/version"], check=True)
    known = identify(disk)
    assert known is not None
    assert known.bootloader == "2021.05-1"


def test_a_recorded_digest_decides(tmp_path: Path) -> None:
    image(tmp_path / "a.hdd")
    right = image(tmp_path / "b.hdd", payload=b"\1" * 200 * 1024)
    wanted = hashlib.sha256(right.read_bytes()).hexdigest()
    release = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256=wanted)
    assert found(release, tmp_path, cache=tmp_path / "cache") == right
    missing = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256="0" * 64)
    assert found(missing, tmp_path, cache=tmp_path / "cache") is None


def test_an_open_bootloader_takes_the_newest_of_the_right_major_version(tmp_path: Path) -> None:
    image(tmp_path / "a.hdd", claims(bootloader="2018.10-2"))
    newest = image(tmp_path / "b.hdd", claims(bootloader="2021.05-1"))
    image(tmp_path / "c.hdd", claims(bootloader="2022.01-1", flavour="v3prod"))
    assert found(Release(system="4.5.0.1"), tmp_path) == newest


CUT = signed_disk()[:-65536]  # a whole disk, but nothing says whose


def test_an_image_without_its_signature_is_used_and_said_to_be_unsigned(tmp_path: Path) -> None:
    (tmp_path / "a.hdd").write_bytes(CUT)
    watch = Stopwatch()
    known = find_local(V4, [tmp_path], progress=watch, trust=Trust(authorities=ca_file(tmp_path)))
    assert known is not None
    assert watch.notes == ["a.hdd is unsigned: there is no readable signature at the end of the file"]
    by_digest = Release(system="4.5.0.1", bootloader="2021.05-1", image_sha256=known.sha256)
    find_local(by_digest, [tmp_path], progress=watch)
    assert len(watch.notes) == 2, "also where these very bytes were recorded"


def test_a_signature_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.hdd").write_bytes(signed_disk())
    watch = Stopwatch()
    assert find_local(V4, [tmp_path], progress=watch) is not None
    assert watch.notes == [
        f"a.hdd is signed by {SIGNER}, not checked: no CA certificates are configured (VML_RELEASE_CA)"
    ]
    watch = Stopwatch()
    trust = Trust(authorities=ca_file(tmp_path))
    assert find_local(V4, [tmp_path], progress=watch, trust=trust) is not None
    assert watch.notes == [], "of one that is signed there is nothing to say"


@pytest.mark.parametrize(("signed", "cut"), [("a.hdd", "b.hdd"), ("b.hdd", "a.hdd")])
def test_of_two_that_are_alike_the_signed_one_is_taken(tmp_path: Path, signed: str, cut: str) -> None:
    (tmp_path / cut).write_bytes(CUT)
    (tmp_path / signed).write_bytes(signed_disk())
    newer = signed_disk("2022.01-1")[:-65536]
    watch = Stopwatch()
    for trust in (Trust(authorities=ca_file(tmp_path)), Trust()):
        known = find_local(V4, [tmp_path], progress=watch, trust=trust)
        assert known is not None
        assert known.path.name == signed
    assert [note for note in watch.notes if "unsigned" in note] == [], "the other one is not used"
    (tmp_path / "newer.hdd").write_bytes(newer)
    known = find_local(Release(system="4.5.0.1"), [tmp_path], progress=watch)
    assert known is not None
    assert known.path.name == "newer.hdd", "the newest comes first, and is said to be unsigned"
    assert watch.notes[-1].startswith("newer.hdd is unsigned")


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
