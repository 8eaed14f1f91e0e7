"""Processes beside a machine: found again, ended, and never confused with others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vml_jupyter.errors import ToolMissing
from vml_jupyter.machine import companion
from vml_jupyter.machine.waiting import wait_until

STAY = "import signal, sys; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    companion.stop_all(tmp_path)


def is_up(folder: Path, name: str) -> bool:
    return wait_until(lambda: companion.log_tail(folder, name) == "up", 10)


def test_a_companion_runs_until_it_is_stopped(folder: Path) -> None:
    pid = companion.start(folder, "area", [sys.executable, "-c", STAY, str(folder)])
    assert is_up(folder, "area")
    assert companion.is_running(folder, "area")
    assert os.getsid(pid) == pid
    companion.stop(folder, "area")
    assert not companion.is_running(folder, "area")
    assert not (folder / "area.pid").exists()
    companion.stop(folder, "area")


def test_one_that_does_not_listen_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "_TERM_S", 0.1)
    pid = companion.start(folder, "area", [sys.executable, "-c", STUBBORN, str(folder)])
    assert is_up(folder, "area")
    companion.stop_all(folder)
    assert not Path(f"/proc/{pid}").exists()


def test_it_is_found_by_another_process(folder: Path) -> None:
    companion.start(folder, "area", [sys.executable, "-c", STAY, str(folder)])
    assert is_up(folder, "area")
    code = f"import pathlib, vml_jupyter.machine.companion as c; c.stop_all(pathlib.Path({str(folder)!r}))"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert not companion.is_running(folder, "area")


def test_a_reused_process_id_is_left_alone(folder: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", STAY, str(folder)], stdout=subprocess.DEVNULL)
    try:
        (folder / "area.pid").write_text(json.dumps({"pid": stranger.pid, "started": 1}))
        assert not companion.is_running(folder, "area")
        companion.stop(folder, "area")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_that_does_not_name_the_folder_is_left_alone(folder: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", STAY], stdout=subprocess.DEVNULL)
    try:
        started = int(Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(")")[2].split()[19])
        (folder / "area.pid").write_text(json.dumps({"pid": stranger.pid, "started": started}))
        companion.stop(folder, "area")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("record", ["", "{}", "nonsense", '{"pid": 999999999, "started": 1}'])
def test_a_record_that_means_nothing_is_forgotten(folder: Path, record: str) -> None:
    (folder / "net.pid").write_text(record)
    assert not companion.is_running(folder, "net")
    companion.stop_all(folder)
    assert not (folder / "net.pid").exists()


def test_a_missing_program_is_told(folder: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-program"):
        companion.start(folder, "net", ["no-such-program", str(folder)])


def test_the_log_is_private(folder: Path) -> None:
    companion.start(folder, "area", [sys.executable, "-c", STAY, str(folder)])
    assert is_up(folder, "area")
    assert (folder / "area.log").stat().st_mode & 0o077 == 0
