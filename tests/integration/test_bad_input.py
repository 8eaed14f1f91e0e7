"""What goes wrong at the command line: one clear line with what to do, exit 1, nothing half-made, entry untouched."""

from __future__ import annotations

import functools
import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine.session import end_daemon

from .conftest import Vml, processes_naming

Failing = Callable[..., dict[str, Any]]


@pytest.fixture
def failing(environ: dict[str, str], machine_settings: Settings) -> Failing:
    """Run a command that must fail in the agreed way; gives its error, checked to leave nothing of a machine."""

    def run(*words: object, **variables: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"],
            env={**environ, **variables},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        error: dict[str, Any] = json.loads(done.stdout)["error"]
        assert error["message"]
        assert error["hint"], f"no advice: {error}"
        assert f"vml: {error['message']}" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(machine_settings.machines.glob("*")) == []
        assert processes_naming(machine_settings.machines) == []
        return error

    return run


@pytest.fixture
def entry(vml: Vml, dimuon: Path) -> str:
    taken = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", "4.5.0.1")
    return str(taken["entry"])


def test_an_area_that_is_none(failing: Failing, tmp_path: Path) -> None:
    assert failing("snapshot", tmp_path / "absent")["code"] == "bad-area"
    (tmp_path / "file").write_text("")
    assert failing("snapshot", tmp_path / "file")["code"] == "bad-area"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_area_that_may_not_be_read(failing: Failing, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert failing("snapshot", tmp_path / "closed")["code"] == "bad-area"


def test_a_notebook_that_is_none(failing: Failing, dimuon: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.ipynb").write_text((dimuon / "dimuon.ipynb").read_text())
    for name in ("absent.ipynb", "../outside.ipynb", str(tmp_path / "outside.ipynb"), "dimuon.csv"):
        assert failing("snapshot", dimuon, "--notebook", name)["code"] == "bad-notebook"
    (dimuon / "link.ipynb").symlink_to(tmp_path / "outside.ipynb")
    assert failing("snapshot", dimuon, "--notebook", "link.ipynb")["code"] == "bad-notebook"


def test_a_release_that_is_none(failing: Failing, dimuon: Path) -> None:
    error = failing("snapshot", dimuon, "--release", "4.9.9.9")
    assert error["code"] == "release-not-found"
    assert "4.5.0.1" in error["message"], "it says which there are"


def test_usage_is_another_exit_status(environ: dict[str, str], dimuon: Path) -> None:
    for words in (["restore"], ["snapshot", str(dimuon), "--release", "new"], ["polish"]):
        done = subprocess.run(
            [sys.executable, "-m", "vml_jupyter.cli.main", *words],
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2, done.stderr


def test_an_entry_that_is_none(failing: Failing, entry: str) -> None:
    assert failing("restore", "zzzz")["code"] == "not-found"
    assert failing("restore", "../../etc")["code"] == "not-found"


def test_a_folder_that_holds_something(failing: Failing, vml: Vml, entry: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    assert failing("restore", entry, "--to", target)["code"] == "would-overwrite"
    assert [file.name for file in target.iterdir()] == ["mine.txt"]
    assert (target / "mine.txt").read_text() == "mine"
    assert vml("restore", entry, "--to", tmp_path / "new")["files"] >= 2


def test_a_wrong_password(failing: Failing, entry: str) -> None:
    assert failing("list", VML_LOGBOOK_PASSWORD="wrong")["code"] == "wrong-password"


def test_no_hypervisor(failing: Failing, entry: str) -> None:
    gone = "qemu+unix:///session?socket=/nonexistent/libvirt-sock"
    assert failing("restore", entry, VML_LIBVIRT_URI=gone)["code"] == "libvirt-unreachable"


def test_a_data_folder_that_is_none(failing: Failing, entry: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for verb in (["restore", entry], ["snapshot", tmp_path]):
        assert "file/logbook" in failing(*verb, VML_DATA=str(tmp_path / "file"))["message"]
    assert (tmp_path / "file").read_text() == "mine"


def test_no_emulator(failing: Failing, entry: str, tmp_path: Path) -> None:
    error = failing("restore", entry, PATH=str(tmp_path))
    assert error["code"] == "tool-missing"
    assert "qemu" in error["message"]


def test_a_release_that_is_nowhere(
    failing: Failing, vml: Vml, entry: str, machine_settings: Settings
) -> None:
    machine_settings.releases.unlink()
    error = failing("restore", entry, VML_RELEASE_URLS="http://127.0.0.1:9")
    assert error["code"] == "repository-unreachable"
    assert "127.0.0.1:9" in error["message"]
    assert vml("show", entry)["id"] == entry


@pytest.mark.machine
@pytest.mark.timeout(300)
def test_a_machine_that_never_becomes_ready(failing: Failing, vml: Vml, entry: str) -> None:
    error = failing("restore", entry, VML_READY_TIMEOUT="4")
    assert error["code"] == "machine-not-ready"
    assert vml("machines")["machines"] == []
    assert vml("show", entry)["id"] == entry


@pytest.mark.machine
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_restore_that_is_ended(
    number: signal.Signals, environ: dict[str, str], vml: Vml, entry: str, machine_settings: Settings
) -> None:
    words = [sys.executable, "-m", "vml_jupyter.cli.main", "restore", entry]
    # Where the tests run in the background, SIGINT is ignored, and would be by the child too.
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, env=environ, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        assert process.stderr
        for line in process.stderr:
            if line.startswith("Waiting for"):
                break
        process.send_signal(number)
        process.stderr.read()
    assert process.returncode != 0
    if number == signal.SIGKILL:  # nobody was left to clear up: the machine is told truly, and can be deleted
        [machine] = vml("machines")["machines"]
        assert machine["state"] in ("starting", "running")
        vml("delete", machine["id"])
    assert vml("machines")["machines"] == []
    assert eventually(lambda: processes_naming(machine_settings.machines) == [])
    assert list(machine_settings.machines.iterdir()) == []


def on_a_small_disk(
    environ: dict[str, str], folder: Path, size: str, *words: object
) -> tuple[dict[str, Any], str]:
    """Run a command that must fail with ``folder`` on a small disk; give its error, and the files left on the disk."""
    folder.mkdir()
    command = shlex.join([sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"])
    left = f"find {folder} -path {folder}/cache -prune -o -type f -print"
    script = f"mount -t tmpfs -o size={size} tmpfs {folder}; {command}; code=$?; {left}; exit $code"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env=environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    answer, _, files = done.stdout.partition("\n")
    return json.loads(answer)["error"], files


def test_a_disk_that_a_snapshot_fills(environ: dict[str, str], tmp_path: Path) -> None:
    area, small = tmp_path / "area", tmp_path / "small"
    area.mkdir()
    (area / "large.bin").write_bytes(secrets.token_bytes(12_000_000))
    error, _ = on_a_small_disk(
        {**environ, "VML_LOGBOOK": str(small / "logbook")}, small, "4m", "snapshot", area
    )
    assert error["code"] == "disk-full"


def test_a_disk_that_an_image_does_not_fit_on(
    environ: dict[str, str], entry: str, machine_settings: Settings, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    environ = {**environ, "VML_DATA": str(small), "VML_LOGBOOK": machine_settings.logbook}
    error, left = on_a_small_disk(environ, small, "32m", "restore", entry)
    assert error["code"] == "disk-full"
    assert "needs" in error["message"], "it says how much"
    assert left == ""


@pytest.mark.parametrize("free", [0, 40_000, 250_000])
def test_a_disk_that_a_machine_fills(
    environ: dict[str, str], entry: str, machine_settings: Settings, kept: Path, tmp_path: Path, free: int
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk that the session's libvirt sees")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small], check=True)
    try:
        for name in ("releases", "cache"):
            (small / name).symlink_to(kept / name)
        for name in ("machines", "libvirt"):
            (small / name).mkdir()
        (small / "ballast").write_bytes(bytes(1 << 20))
        room = os.statvfs(small)
        with (small / "ballast").open("ab") as ballast:
            ballast.write(bytes(room.f_bavail * room.f_frsize - free))
        done = subprocess.run(
            [sys.executable, "-m", "vml_jupyter.cli.main", "restore", entry, "--json"],
            env={**environ, "VML_DATA": str(small), "VML_LOGBOOK": machine_settings.logbook},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1, done.stdout
        error = json.loads(done.stdout)["error"]
        assert error["code"] == "disk-full", error
        assert error["hint"]
        assert list((small / "machines").iterdir()) == []
        assert processes_naming(small / "machines") == []
        assert (small / "ballast").stat().st_size > 1 << 20
    finally:
        end_daemon(small)
        subprocess.run(["umount", small], check=True)


def eventually(condition: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
