"""What a host is told where something is missing, in the words of its own distribution."""

from __future__ import annotations

from pathlib import Path

import pytest

from vml_jupyter.flows import doctor as room
from vml_jupyter.flows.doctor import doctor
from vml_jupyter.flows.packages import how_to_install
from vml_jupyter.flows.settings import Settings

DEBIAN, ALMA = "ID=debian\n", 'NAME="AlmaLinux"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n'


@pytest.mark.parametrize(
    ("said", "what", "told"),
    [
        (DEBIAN, "http", "sudo apt install qemu-block-extra"),
        ("ID=ubuntu\nID_LIKE=debian\n", "passt", "sudo apt install passt"),
        (ALMA, "http", "sudo dnf install qemu-block-curl"),
        ("ID=nixos\n", "qemu", "Install it; Debian calls it qemu-system-x86, Fedora qemu-system-x86-core."),
    ],
)
def test_packages_bear_the_names_of_the_distribution(tmp_path: Path, said: str, what: str, told: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(said)
    assert how_to_install(what, file) == told


def test_an_unknown_system_is_told_two_names(tmp_path: Path) -> None:
    assert "Fedora" in how_to_install("libvirt", tmp_path / "absent")


def test_a_host_without_programs_hears_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    report = doctor(settings.using(libvirt_uri="qemu+unix:///session?socket=/nowhere"))
    assert not report.can_restore
    assert report.accelerator == ""
    missing = {found.what: found for found in report.findings if found.verdict == "missing"}
    assert {"QEMU", "libvirt", "accelerators"} <= set(missing)
    assert all(found.fix for found in missing.values())
    limited = {found.what for found in report.findings if found.verdict == "limited"}
    assert "network (passt)" in limited


def test_too_little_memory_and_disk_are_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_LEAST_DISK", 1 << 60)
    monkeypatch.setattr(room, "_ENOUGH_DISK", 1 << 60)
    settings.data.mkdir(parents=True)
    assert room._disk(settings).verdict == "missing"
    large = type(settings.shape)(memory_mib=1 << 40)
    assert room._memory(settings.using(shape=large)).verdict == "missing"
    assert room._memory(settings.using(shape=type(large)(memory_mib=1))).verdict == "good"
