"""The scratch disk, and what QEMU can read."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import pytest

from vml_jupyter.errors import DiskFull, HostError, ToolMissing
from vml_jupyter.machine import can_read_http, disks
from vml_jupyter.model import Shape


def test_a_scratch_disk_is_blank_sparse_and_private(tmp_path: Path) -> None:
    path = tmp_path / "scratch, with a comma.qcow2"
    disks.create_scratch(path, Shape(scratch_gib=20))
    info = json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", str(path)]))
    assert (info["format"], info["virtual-size"]) == ("qcow2", 20 << 30)
    assert path.stat().st_size < 1 << 20
    assert path.stat().st_mode & 0o077 == 0


def test_what_qemu_says_is_told(tmp_path: Path) -> None:
    (tmp_path / "scratch.qcow2").mkdir()
    with pytest.raises(HostError, match="cannot be made"):
        disks.create_scratch(tmp_path / "scratch.qcow2", Shape())


def test_a_full_disk_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 5 << 20))
    with pytest.raises(DiskFull, match="5 MiB free"):
        disks.create_scratch(tmp_path / "scratch.qcow2", Shape())
    assert not list(tmp_path.iterdir())


def fake_qemu_img(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    program = folder / "qemu-img"
    program.write_text(f'#!/bin/sh\necho "{says}" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("says", "can"),
    [
        ("qemu-img: Could not open: CURL: Error opening file: Failed to connect", True),
        ("qemu-img: Could not open: Unknown driver 'http'", False),
        ("qemu-img: Could not open: Unknown protocol 'http'", False),
    ],
)
def test_the_http_driver_is_found_by_using_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, can: bool
) -> None:
    fake_qemu_img(tmp_path, monkeypatch, says)
    assert can_read_http() is can


def test_a_missing_qemu_img_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissing):
        can_read_http()
