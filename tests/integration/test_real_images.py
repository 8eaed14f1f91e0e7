"""The published mini images, cut, grown, altered and signed by others: each is recognised for what it is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release import Trust, find_local, identify, judge
from vml_jupyter.release.blocks import BLOCK, read_seal
from vml_jupyter.release.mini import recipe
from vml_jupyter.release.mini.signature import sign

OTHER, SIGNED = recipe.BOOTLOADERS
SYSTEM = Release(system="4.5.0.1", bootloader=SIGNED.version)
CUT_PAYLOAD = 100 << 20

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def copy(mini_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the signed disk under a name that tells nothing, for all tests here; each gives it back as it was."""
    file = tmp_path_factory.mktemp("images") / "holiday.bin"
    subprocess.run(["cp", "--sparse=always", mini_repository / SIGNED.path, file], check=True)
    yield file
    file.unlink()


@pytest.fixture
def disk(copy: Path) -> Iterator[Path]:
    size = copy.stat().st_size
    with copy.open("rb") as stream:
        stream.seek(size - 3 * BLOCK)
        tail = stream.read()
    yield copy
    with copy.open("r+b") as stream:
        stream.truncate(size)
        stream.seek(size - 3 * BLOCK)
        stream.write(tail)


@pytest.fixture
def trust(mini_repository: Path) -> Trust:
    return Trust(authorities=mini_repository / "mini-ca.crt")


def test_the_signed_disk_is_what_it_is_by_any_name(disk: Path, trust: Trust) -> None:
    image = identify(disk)
    assert image is not None
    assert (image.bootloader, image.flavour, image.kind, image.damage) == (SIGNED.version, "mini", "raw", "")
    judged = judge(image, trust)
    assert (judged.status, judged.signer) == ("signed", "/DC=ch/DC=cern/OU=computers/CN=cvm-sign02.cern.ch")
    assert judge(image, Trust()).status == "unchecked"
    assert judge(image, Trust(), name="x.hvm").status == "unsigned"


@pytest.mark.parametrize(
    ("bytes_more", "words"),
    [
        (-1, "it is cut: its last 1 bytes are missing"),
        (-BLOCK, f"it is cut: its last {BLOCK} bytes are missing"),
        (-BLOCK - 1000, f"it is cut: its last {BLOCK + 1000} bytes are missing"),
        (-2 * BLOCK - 4096, "it is cut: 4096 of "),
        (512, "it grew: 512 bytes are behind its end"),
        (4096, "it grew: 4096 bytes are behind its end"),
        (1 << 20, "it grew: 1048576 bytes are behind its end"),
    ],
)
def test_cut_and_grown(disk: Path, trust: Trust, bytes_more: int, words: str) -> None:
    os.truncate(disk, disk.stat().st_size + bytes_more)
    image = identify(disk)
    assert image is not None
    assert image.bootloader == SIGNED.version
    assert image.damage.startswith(words)
    assert_unused(disk, trust, words)


def test_without_its_block_it_is_whole_but_unsigned(disk: Path, trust: Trust) -> None:
    os.truncate(disk, disk.stat().st_size - 2 * BLOCK)
    image = identify(disk)
    assert image is not None
    assert (image.bootloader, image.damage, judge(image, trust).status) == (SIGNED.version, "", "unsigned")


def other_byte(disk: Path) -> None:
    write(disk, -2 * BLOCK - 20_000, b"x")


def other_authority(disk: Path) -> None:
    os.truncate(disk, disk.stat().st_size - 2 * BLOCK)
    sign(disk, disk.with_name("other-ca.crt"), SIGNED)


def no_certificate(disk: Path) -> None:
    seal = json.loads(block(disk, 1))
    replace_block(disk, 1, json.dumps({**seal, "certificate": "QUJD"}))


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (other_byte, "the file is not the one that was signed"),
        (other_authority, "no trusted CA vouches for "),
        (no_certificate, "its certificate cannot be read"),
    ],
    ids=["altered", "foreign", "no certificate"],
)
def test_a_broken_or_foreign_signature(disk: Path, trust: Trust, alter: Damage, words: str) -> None:
    alter(disk)
    image = identify(disk)
    assert image is not None
    assert image.bootloader == SIGNED.version
    judged = judge(image, trust)
    assert judged.status == "bad"
    assert judged.reason.startswith(words)
    assert_unused(disk, trust, words)


def test_a_damaged_block(disk: Path, trust: Trust) -> None:
    write(disk, -2 * BLOCK + 20_000, b"x")  # behind the claims, where nothing may be
    image = identify(disk)
    assert image is not None
    assert (image.bootloader, image.damage) == (SIGNED.version, "its signature block is damaged")
    assert_unused(disk, trust, image.damage)


def test_the_block_of_another_release(disk: Path, trust: Trust) -> None:
    os.truncate(disk, disk.stat().st_size - 2 * BLOCK)
    sign(disk, disk.with_name("other-ca.crt"), OTHER)
    image = identify(disk)
    assert image is not None
    words = f"its signature block is that of {OTHER.version}, its content is {SIGNED.version}"
    assert (image.bootloader, image.damage) == (SIGNED.version, words)
    assert_unused(disk, trust, words)


def test_blocks_that_are_not_json_are_read_all_the_same(disk: Path, trust: Trust) -> None:
    """Releases 2.0 to 2.2 wrote their blocks without commas."""
    plain = {number: block(disk, number) for number in (1, 2)}
    replace_block(disk, 1, re.sub(r",(?= \"|\n)", "", plain[1]))
    with pytest.raises(json.JSONDecodeError):
        json.loads(block(disk, 1))
    seal = read_seal(disk)
    assert seal is not None
    assert not seal.well_formed
    image = identify(disk)
    assert image is not None
    assert judge(image, trust).status == "signed", (
        "only the proof's own block, which is not signed, was rewritten"
    )

    replace_block(disk, 2, plain[2].replace(",", ""))
    image = identify(disk)
    assert image is not None
    assert (image.bootloader, image.flavour, image.damage) == (SIGNED.version, "mini", "")
    assert judge(image, trust).status == "bad", "its claims are not the ones that were signed"


def test_a_block_that_is_no_text(disk: Path, trust: Trust) -> None:
    replace_block(disk, 1, "{" + "\x7f" * 900)
    image = identify(disk)
    assert image is not None
    assert (image.bootloader, judge(image, trust).status) == (SIGNED.version, "unsigned")


@pytest.mark.parametrize(
    ("bytes_more", "words"),
    [
        (0, ""),
        (-(1 << 20), "it is cut, or damaged: "),
        (-(64 << 20), "it is cut, or damaged: "),
        (1 << 20, "it grew: "),
    ],
    ids=["whole", "cut", "cut by much", "grown"],
)
def test_the_compressed_disk(
    mini_repository: Path, tmp_path: Path, trust: Trust, bytes_more: int, words: str
) -> None:
    file = tmp_path / "vacation"
    shutil.copyfile(mini_repository / OTHER.path, file)
    os.truncate(file, file.stat().st_size + bytes_more)
    image = identify(file)
    assert image is not None
    assert (image.bootloader, image.flavour, image.kind) == (OTHER.version, "v4prod", "qcow2")
    assert image.damage.startswith(words)
    assert bool(image.damage) == bool(words)
    told = judge(image, trust)
    assert (told.status, told.reason) == ("unsigned", "a qcow2 file carries no signature of its own")
    file.unlink()


def test_only_the_name_is_cernvms(tmp_path: Path) -> None:
    file = tmp_path / OTHER.path.name
    file.write_bytes(b"this is a text" * 10_000)
    image = identify(file)
    assert image is not None
    assert image.damage == "nothing in it is CernVM's, only its name"


def assert_unused(disk: Path, trust: Trust, words: str) -> None:
    """Check that no machine would be booted from the file, and that the user is told why."""
    watch = Stopwatch(SILENT)
    assert find_local(SYSTEM, [disk.parent], progress=watch, trust=trust) is None
    assert any(words in note for note in watch.notes), watch.notes


def block(disk: Path, from_end: int) -> str:
    with disk.open("rb") as stream:
        stream.seek(-from_end * BLOCK, os.SEEK_END)
        return stream.read(BLOCK).rstrip(b"\0").decode()


def replace_block(disk: Path, from_end: int, text: str) -> None:
    write(disk, -from_end * BLOCK, text.encode().ljust(BLOCK, b"\0"))


def write(disk: Path, from_end: int, content: bytes) -> None:
    with disk.open("r+b") as stream:
        stream.seek(from_end, os.SEEK_END)
        stream.write(content)
