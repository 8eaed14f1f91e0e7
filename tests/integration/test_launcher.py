"""The whole way of a launcher: a Jupyter server here, a script run as on a computer without VML, a real machine."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest.notebook import execute_notebook
from vml_jupyter.release.mini import recipe

from .conftest import Vml, processes_naming

pytestmark = pytest.mark.machine


@dataclass
class Server:
    """A Jupyter server with the extension, which can be taken away and brought back."""

    port: int
    token: str
    begin: Callable[[], None]
    end: Callable[[], None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(
            self.url + path, headers={"Authorization": f"token {self.token}", **headers}, timeout=60
        )


@contextmanager
def running(root: Path, environ: dict[str, str]) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    words = [
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--ServerApp.open_browser=False", f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True"),
    ]
    processes: list[subprocess.Popen[bytes]] = []

    def begin() -> None:
        log = (root.parent / "server.log").open("ab")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *words],
                env={**environ, "JUPYTER_TOKEN": token},
                stdout=log,
                stderr=log,
            )
        )
        log.close()
        until(lambda: answers(port), 90, "the server answers")

    def end() -> None:
        processes[-1].terminate()
        processes[-1].wait(30)

    begin()
    try:
        yield Server(port, token, begin, end)
    finally:
        end()


def answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/api", timeout=2).ok
    except requests.RequestException:
        return False


def until(holds: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} not within {patience_s} s"
        time.sleep(0.1)
    return found


@dataclass
class Elsewhere:
    """A computer that has Python and QEMU: its home, and a script that is run there."""

    home: Path
    script: Path

    def words(self, *words: str) -> list[str]:
        root = ["--allow-root"] if os.geteuid() == 0 else []
        return ["/usr/bin/python3", "-I", str(self.script), *words, "--yes", "--no-browser", *root]

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}

    def run(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            self.words(*words), env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=600
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def folder(self) -> Path:
        return next((self.home / ".local" / "share" / "vml-launch").iterdir())


@pytest.mark.timeout(600)
def test_a_launcher_starts_the_machine_and_leaves_nothing(
    machine_settings: Settings, environ: dict[str, str], vml: Vml, dimuon: Path, tmp_path: Path
) -> None:
    entry = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", recipe.SYSTEMS[0].version)[
        "entry"
    ]
    root, home = tmp_path / "root", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    with running(root, environ) as server:
        given = server.get(f"vml/entries/{entry}/launcher")
        assert given.status_code == 200, given.text
        assert given.headers["X-Vml-Sha256"] == hashlib.sha256(given.content).hexdigest()
        script = home / f"vml-launch-{entry}.py"
        script.write_bytes(given.content)
        there = Elsewhere(home, script)

        told = there.run("--dry-run")
        assert recipe.SYSTEMS[0].version in told
        assert not (home / ".local").exists()

        said = there.run()
        assert "Downloading the image" in said
        record = json.loads((there.folder / "launch.json").read_bytes())
        (launch,) = server.get("vml/api/launches").json()["launches"]
        assert (launch["entry"], launch["state"]) == (entry, "running")
        base = f"http://127.0.0.1:{record['port']}/"
        inside = execute_notebook(base, record["jupyter_token"], "dimuon.ipynb", 240.0)
        assert any(cell.get("outputs") for cell in inside.cells)

        # it survives its server, and is not made twice
        server.end()
        assert "The notebook is at" in there.run()
        server.begin()
        there.run("suspend")
        assert server.get("vml/api/launches").json()["launches"][0]["state"] == "suspended"
        assert processes_naming(there.folder) == []
        there.run()
        assert json.loads((there.folder / "launch.json").read_bytes())["machine"] == record["machine"]
        there.run("stop")
        assert processes_naming(there.folder) == []

        there.run("remove")
        assert server.get("vml/api/launches").json()["launches"] == []
    assert [each for each in home.rglob("*") if each.is_file()] == [script]
