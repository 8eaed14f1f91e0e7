"""Which accelerator runs guests: decided by what QEMU does, remembered, never hanging."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Protocol

import pytest

from vml_jupyter.errors import NoAccelerator, ToolMissing
from vml_jupyter.machine import accelerator
from vml_jupyter.machine.accelerator import boot_sector, probe_accelerator

QEMU = """#!/bin/sh
case "$*" in
--version) echo "QEMU emulator version $VERSION" ;;
*"-accel tcg"*) {tcg} ;;
*"-accel kvm"*) {kvm} ;;
esac
"""


class Install(Protocol):
    """Install a QEMU that does this with each accelerator."""

    def __call__(self, tcg: str, kvm: str) -> None: ...


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a QEMU that does what a test says."""

    def install(tcg: str, kvm: str) -> None:
        program = tmp_path / "bin" / accelerator.QEMU
        program.parent.mkdir(exist_ok=True)
        program.write_text(QEMU.format(tcg=tcg, kvm=kvm))
        program.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("VERSION", "7.2")
    monkeypatch.setattr(
        os, "access", lambda path, mode, real=os.access: path == "/dev/kvm" or real(path, mode)
    )
    monkeypatch.setattr(accelerator, "_PATIENCE_S", 0.5)
    return install


def test_kvm_that_clearly_wins_is_used(qemu: Install, cache: Path) -> None:
    qemu(tcg="sleep 0.5; exit 33", kvm="exit 33")
    found = probe_accelerator(cache)
    assert (found.name, found.cpu_model) == ("kvm", "host")


@pytest.mark.parametrize(
    ("kvm", "why"),
    [
        ("sleep 0.3; exit 33", "without"),
        ("echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60", "ordinary instructions"),
        ("exec sleep 60", "did not get through"),
        ("echo 'failed to initialize kvm' >&2; exit 1", "failed to initialize kvm"),
        ("exit 1", "status 1"),
    ],
)
def test_kvm_that_does_not_is_not(qemu: Install, cache: Path, kvm: str, why: str) -> None:
    qemu(tcg="exit 33", kvm=kvm)
    found = probe_accelerator(cache)
    assert found.name == "tcg"
    assert why in found.why


def test_a_kvm_that_others_own_is_told(qemu: Install, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    qemu(tcg="exit 33", kvm="exit 33")
    monkeypatch.setattr(os, "access", lambda path, mode: path != "/dev/kvm")
    assert "/dev/kvm" in probe_accelerator(cache).why


def test_kvm_alone_will_do(qemu: Install, cache: Path) -> None:
    qemu(tcg="exit 1", kvm="exit 33")
    assert probe_accelerator(cache).name == "kvm"


def test_an_emulation_that_crashes_once_is_tried_again(qemu: Install, cache: Path, tmp_path: Path) -> None:
    qemu(tcg=f"mkdir {tmp_path}/crashed && kill -SEGV $$; exit 33", kvm="exit 1")
    assert probe_accelerator(cache).name == "tcg"


def test_neither_is_an_error(qemu: Install, cache: Path) -> None:
    qemu(tcg="exit 1", kvm="exit 1")
    with pytest.raises(NoAccelerator):
        probe_accelerator(cache)


def test_no_qemu_is_told(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing, match="qemu-system"):
        probe_accelerator(cache)


def test_the_answer_is_remembered_until_qemu_changes(
    qemu: Install, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu(tcg="exit 33", kvm="exit 1")
    first = probe_accelerator(cache)
    qemu(tcg="sleep 0.5; exit 33", kvm="exit 33")
    assert probe_accelerator(cache) == first
    monkeypatch.setenv("VERSION", "8.0")
    assert probe_accelerator(cache).name == "kvm"
    assert [path.name for path in cache.iterdir()] == ["accelerator.json"]


def test_a_damaged_memory_is_made_anew(qemu: Install, cache: Path) -> None:
    qemu(tcg="exit 33", kvm="exit 1")
    cache.mkdir()
    (cache / "accelerator.json").write_text("{")
    assert probe_accelerator(cache).name == "tcg"


def test_the_boot_sectors_addresses_fit_its_code() -> None:
    sector = boot_sector()
    assert len(sector) == 1 << 20
    assert sector[510:512] == b"\x55\xaa"
    pointer = sector.index(b"\x0f\x01\x16") + 3
    (table_pointer,) = struct.unpack_from("<H", sector, pointer)
    limit, table = struct.unpack_from("<HI", sector, table_pointer - 0x7C00)
    assert limit == 15
    assert sector[table - 0x7C00 : table - 0x7C00 + 8] == bytes(8)
    assert sector[table - 0x7C00 + 13] == 0x9A
    jump = sector.index(b"\xea")
    target, selector = struct.unpack_from("<HH", sector, jump + 1)
    assert (target, selector) == (0x7C00 + jump + 5, 8)
