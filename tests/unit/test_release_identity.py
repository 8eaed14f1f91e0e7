"""Recognising images by content: every kind of file that carries one, and files that are not what they seem."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from release_images import (
    authorities,
    block,
    ca_file,
    certify,
    claims,
    fat16,
    key,
    seal,
    sealed,
    signed_disk,
    version_line,
)

from vml_jupyter.errors import Foreign, Usage
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release import Image, Trust, extract, find_local, identify, judge, trim
from vml_jupyter.release import carrier as carrier_room

RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
DISK = signed_disk()
EARLY = '{\n"ucernvm-version": "2.2-0.cernvm.x86_64"\n"os-repo": "prod"\n"snapshot": "HEAD"\n}'


def write(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def converted(folder: Path, kind: str, *options: str) -> Path:
    """Let qemu-img make a file of another kind out of the signed disk, under a name that tells nothing."""
    raw = write(folder / "disk.raw", DISK)
    file = folder / "something"
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *options, raw, file], check=True)
    raw.unlink()
    return file


def packed(folder: Path, mode: str, *members: tuple[str, Path]) -> Path:
    file = folder / "packed"
    with tarfile.open(file, mode, format=tarfile.USTAR_FORMAT) as archive:  # type: ignore[call-overload]
        for name, member in members:
            archive.add(member, name)
    for _, member in members:
        member.unlink()
    return file


def iso(folder: Path, line: bytes = version_line()) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    (tree / "version").write_bytes(line)
    (tree / "kernel").write_bytes(bytes(100_000))
    file = folder / "plain"
    subprocess.run(["genisoimage", "-quiet", "-R", "-o", file, tree], check=True)
    shutil.rmtree(tree)
    return file


SPARSE = [
    ("vdi", "vdi", ()),
    ("vmdk", "vmdk", ()),
    ("vmdk", "vmdk", ("-o", "subformat=streamOptimized")),
    ("qcow2", "qcow2", ()),
    ("qcow2", "qcow2", ("-c",)),
    ("vpc", "vhd", ()),
    ("vpc", "vhd", ("-o", "subformat=fixed,force_size=on")),
]


@pytest.mark.parametrize(("written", "kind", "options"), SPARSE)
def test_a_sparse_disk(written: str, kind: str, options: tuple[str, ...], tmp_path: Path) -> None:
    file = converted(tmp_path, written, *options)
    image = identify(file, tmp_path / "cache")
    assert image == Image(
        path=file, bootloader="2021.05-1", flavour="v4prod", kind=kind, size_bytes=file.stat().st_size
    )
    extract(file, kind, tmp_path / "out.raw")
    trim(tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == DISK
    assert judge(image, Trust(authorities=ca_file(tmp_path))).status == "unsigned"
    found = find_local(RELEASE, [tmp_path], tmp_path / "cache")
    assert found is not None
    assert found.path == tmp_path / "out.raw", "what boots as it is comes first"


def test_what_took_a_program_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, cache = converted(tmp_path, "qcow2"), tmp_path / "cache"
    first = identify(file, cache)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert identify(file, cache) == first
    assert identify(file) is None, "without the program and the memory nobody can tell"


def test_packed_disks(tmp_path: Path) -> None:
    description = write(tmp_path / "a.ovf", b"<Envelope/>")
    scratch = write(tmp_path / "scratch", b"KDMV" + bytes(2000))
    disk = converted(tmp_path, "vmdk", "-o", "subformat=streamOptimized")
    ova = identify(
        packed(tmp_path, "w", ("cernvm.ovf", description), ("scratch.vmdk", scratch), ("boot.vmdk", disk))
    )
    assert ova is not None
    assert (ova.kind, ova.bootloader, ova.flavour) == ("ova", "2021.05-1", "v4prod")
    noise = signed_disk(payload=bytes(range(256)) * 2000)
    tar = identify(
        packed(tmp_path, "w:gz", ("disk.raw", write(tmp_path / "d", noise)), ("n", noise_file(tmp_path)))
    )
    assert tar is not None
    assert (tar.kind, tar.bootloader) == ("targz", "2021.05-1")
    extract(tar.path, "targz", tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == noise


def noise_file(folder: Path) -> Path:
    import random

    return write(folder / "noise", random.Random(5).randbytes(100_000))


@pytest.mark.parametrize("kind", ["qcow2", "vmdk"])
def test_a_disk_that_leads_to_other_files_is_not_opened(kind: str, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.raw", fat16())
    words = (
        ["-b", str(secret), "-F", "raw"] if kind == "qcow2" else ["-b", str(tmp_path / "base"), "-F", "vmdk"]
    )
    if kind == "vmdk":
        subprocess.run(["qemu-img", "convert", "-O", "vmdk", secret, tmp_path / "base"], check=True)
    file = tmp_path / "leads-away"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *words, file], check=True)
    write(tmp_path / "pad", b"")
    with file.open("ab") as grown:
        grown.write(bytes(1 << 17))
    assert identify(file) is None


def test_a_description_of_other_files_is_not_opened(tmp_path: Path) -> None:
    header = b"KDMV" + struct.pack("<IIQ", 1, 3, 0)
    file = write(tmp_path / "description", header.ljust(200_000, b"\0"))
    assert identify(file) is None
    with pytest.raises(Foreign, match="leads to other files"):
        extract(file, "vmdk", tmp_path / "out")


def test_an_iso(tmp_path: Path) -> None:
    file = iso(tmp_path)
    image = identify(file)
    assert image is not None
    assert (image.kind, image.bootloader, image.flavour, image.damage) == ("iso", "2021.05-1", "v4prod", "")
    assert judge(image, Trust()).status == "unsigned"
    signed = identify(write(tmp_path / "signed", sealed(file.read_bytes(), claims(flavour="v4testing"))))
    assert signed is not None
    assert (signed.kind, signed.flavour) == ("iso", "v4testing"), "the claims know the flavour better"
    assert judge(signed, Trust(authorities=ca_file(tmp_path))).status == "signed"
    found = find_local(RELEASE, [tmp_path])
    assert found is not None
    assert found.path == file


def test_the_iso_serves_where_the_recorded_disk_is_not_here(tmp_path: Path) -> None:
    file = iso(tmp_path)
    recorded = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod", image_sha256="a" * 64)
    found = find_local(recorded, [tmp_path])
    assert found is not None
    assert found.path == file
    write(tmp_path / "other.hdd", DISK)
    found = find_local(recorded, [tmp_path])
    assert found is not None
    assert found.path == file, "a disk with another digest is another disk"


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw[:-1], "cut: its last 1 bytes"),
        (lambda raw: raw[:-5000], "cut: its last 5000 bytes"),
        (lambda raw: raw[:-32768], "cut: its last 32768 bytes"),
        (lambda raw: raw[:-100_000], "cut: "),
        (lambda raw: raw + b"\0", "grew: 1 bytes"),
        (lambda raw: raw + bytes(10 << 20), "grew: 10485760 bytes"),
        (
            lambda raw: raw[:-65536] + block(claims("2020.07-1") + "\n") + raw[-32768:],
            "block is that of 2020.07-1",
        ),
        (lambda raw: raw[:-65536] + signed_disk("2018.06-1")[-65536:], "block is that of 2018.06-1"),
    ],
)
def test_a_damaged_image_is_recognised_and_not_used(change: Change, words: str, tmp_path: Path) -> None:
    file = write(tmp_path / "old.hdd", change(DISK))
    image = identify(file)
    assert image is not None
    assert image.bootloader == "2021.05-1"
    assert words in image.damage
    watch = Stopwatch(SILENT)
    assert find_local(RELEASE, [tmp_path], progress=watch) is None
    assert any(words in note for note in watch.notes)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DISK[:-32768] + signed_disk("2020.07-1")[-32768:], "not the one that was signed"),
        (DISK[:5000] + b"!" + DISK[5001:], "not the one that was signed"),
        (DISK + DISK, "not the one that was signed"),
        (sealed(fat16(), signer=certify("cvm-sign02.cern.ch", key(5), None)), "vouches"),
        (sealed(fat16(), signer=certify("evil.example.org", key(5), None)), "signed by"),
    ],
    ids=["of another image", "broken", "of itself twice", "of a stranger with the right name", "foreign"],
)
def test_an_image_with_a_wrong_signature_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    write(tmp_path / "a.hdd", content)
    watch = Stopwatch(SILENT)
    trust = Trust(authorities=ca_file(tmp_path))
    assert find_local(RELEASE, [tmp_path], tmp_path / "cache", watch, trust) is None
    assert any("signature is wrong" in note and words in note for note in watch.notes)


def test_a_right_signature_is_looked_at_once_per_set_of_authorities(tmp_path: Path) -> None:
    image = identify(write(tmp_path / "a.hdd", DISK))
    assert image is not None
    trust, cache = Trust(authorities=ca_file(tmp_path)), tmp_path / "cache"
    assert [judge(image, Trust(), cache).status, judge(image, trust, cache).status] == ["unchecked", "signed"]
    lines = (cache / "signatures.json").read_text()
    assert judge(image, trust, cache).status == "signed"
    assert (cache / "signatures.json").read_text() == lines
    with pytest.raises(Usage, match="cannot be read"):
        judge(image, Trust(authorities=tmp_path / "absent"), cache)
    folder = tmp_path / "certificates"
    folder.mkdir()
    for number, each in enumerate(authorities()[:2]):
        (folder / f"{number}.pem").write_bytes(each.pem)
    assert judge(image, Trust(authorities=folder)).status == "signed"


def test_authorities_that_nobody_chose_refuse_only_whom_they_know(tmp_path: Path) -> None:
    image = identify(write(tmp_path / "a.hdd", DISK))
    assert image is not None
    folder = tmp_path / "certificates"
    folder.mkdir()
    assumed = Trust(authorities=folder, assumed=True)
    assert judge(image, assumed).status == "unchecked", "none is there"
    (folder / "odd.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    other = certify("Another CA", key(4), None, authority=True)
    (folder / "12345678.0").write_bytes(other.pem)
    told = judge(image, assumed)
    assert (told.status, "no trusted CA vouches" in told.reason) == ("unchecked", True)
    assert judge(image, Trust(authorities=folder)).status == "bad", "where somebody chose them"
    root, grid, _ = authorities()
    for number, each in enumerate((root, grid)):
        (folder / f"0000000{number}.0").write_bytes(each.pem)
    assert judge(image, assumed).status == "signed"
    false = certify("CERN Grid", key(5), None, authority=True)
    stranger = write(tmp_path / "b.hdd", sealed(fat16(), signer=certify("cvm-sign02.cern.ch", key(6), false)))
    found = identify(stranger)
    assert found is not None
    assert judge(found, assumed).status == "bad", "the CA of that name did not sign it"


def test_another_signer_counts_where_the_user_says_so(tmp_path: Path) -> None:
    own = certify("our-group.example.org", key(4), authorities()[1])
    image = identify(write(tmp_path / "a.hdd", sealed(fat16(), signer=own)))
    assert image is not None
    subject = "/DC=ch/DC=cern/OU=computers/CN=our-group.example.org"
    assert judge(image, Trust()).status == "bad"
    assert judge(image, Trust(authorities=ca_file(tmp_path), signers=(subject,))).status == "signed"


@pytest.mark.parametrize("right", [True, False])
def test_the_early_blocks_without_commas(right: bool, tmp_path: Path) -> None:
    early = certify("cvm-sign01.cern.ch", key(3), authorities()[1])
    body = fat16(version_line("2.2-0", "HEAD")) + block(EARLY + "\n")
    signature = early.key.sign(body if right else body[1:], padding.PKCS1v15(), hashes.SHA256())
    image = identify(write(tmp_path / "a.hdd", body + seal(early, signature, comma="")))
    assert image is not None
    assert (image.bootloader, image.flavour, image.damage) == ("2.2-0", "prod", "")
    told = judge(image, Trust())
    assert told.status == ("unchecked" if right else "unsigned")
    assert right or "not valid JSON" in told.reason


def test_an_edited_kind_is_unsigned_by_its_nature(tmp_path: Path) -> None:
    image = identify(write(tmp_path / "a.hvm", DISK[:5000] + b"ttyS0" + DISK[5005:]))
    assert image is not None
    told = judge(image, Trust(authorities=ca_file(tmp_path)))
    assert (told.status, "edited" in told.reason) == ("unsigned", True)


def test_a_name_alone_is_no_image_but_is_told(tmp_path: Path) -> None:
    image = identify(write(tmp_path / "ucernvm-v4prod.2021.05-1.cernvm.x86_64.iso", b"<html>" * 20_000))
    assert image is not None
    assert "only its name" in image.damage
    assert find_local(RELEASE, [tmp_path]) is None


def test_a_file_that_changed_since_it_was_published_is_not_used(tmp_path: Path) -> None:
    kept = tmp_path / ("ab" * 32)
    kept.mkdir()
    write(kept / "a.hdd", DISK)
    beside = write(tmp_path / "b.hdd", DISK)
    write(tmp_path / "b.hdd.sha256", b"0" * 64 + b"\n")
    watch = Stopwatch(SILENT)
    assert find_local(RELEASE, [tmp_path], progress=watch) is None
    assert len([note for note in watch.notes if "SHA-256" in note]) == 2
    (tmp_path / "b.hdd.sha256").unlink()
    found = find_local(RELEASE, [tmp_path])
    assert found is not None
    assert found.path == beside


def test_odd_files_are_none(tmp_path: Path) -> None:
    for number, head in enumerate(
        (b"QFI\xfb", b"KDMV", bytes(64) + b"\x7f\x10\xda\xbe", b"conectix", b"\x1f\x8b")
    ):
        write(tmp_path / str(number), head.ljust(200_000, b"\xff"))
    write(tmp_path / "tar", bytes(257) + b"ustar" + bytes(200_000))
    write(tmp_path / "iso", bytes(32768) + b"\x01CD001" + b"\xff" * 100_000)
    assert [identify(file) for file in tmp_path.iterdir()] == [None] * 7
    assert carrier_room.kind_of(tmp_path / "iso") == "iso"
