"""A real JupyterLab with the built extension, for the tests in a browser and for the bench."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
CHROMIUM = [
    "--disable-background-networking",
    "--disable-component-update",
    # In place of Playwright's own list, in which the frames of other sites may keep nothing: users' may.
    "--disable-features=Translate",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    token: str
    pid: int = 0

    def page(self, path: str = "lab") -> str:
        return f"{self.url}{path}?token={self.token}"


@contextmanager
def running_lab(
    root: Path,
    environ: dict[str, str],
    base_url: str = "/",
    *options: str,
    python: str = sys.executable,
    again: Lab | None = None,
) -> Iterator[Lab]:
    """Run JupyterLab on a folder until the ``with`` block ends; ``again`` is one that ended, whose place it takes."""
    token = again.token if again else secrets.token_hex(16)
    port = (urlsplit(again.url).port if again else None) or free_port()
    log = root.parent / "lab.log"
    words = [
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.port={port}",
        f"--ServerApp.base_url={base_url}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.open_browser=False",
        *(["--ServerApp.allow_root=True"] if os.geteuid() == 0 else []),
        *options,
    ]
    own = {**environ, "JUPYTER_TOKEN": token, "JUPYTERLAB_SETTINGS_DIR": str(root.parent / "lab-settings")}
    own["JUPYTERLAB_WORKSPACES_DIR"] = str(root.parent / "lab-workspaces")
    with log.open("ab") as output:
        process = subprocess.Popen(
            # Collaboration keeps its documents' history in the current folder.
            [python, "-m", "jupyterlab", *words],
            env=own,
            stdout=output,
            stderr=output,
            cwd=root.parent,
        )
    lab = Lab(f"http://127.0.0.1:{port}{base_url}", token, process.pid)
    try:
        await_answer(lab, process, log)
        yield lab
    finally:
        end(process)
        ARTEFACTS.mkdir(exist_ok=True)
        shutil.copy(log, ARTEFACTS / f"{root.parent.name}-lab.log")


def await_answer(lab: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{lab.url}api", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not come up:\n{log.read_text()[-3000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server; one that waits for documents that are edited together is not waited for long."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chromium() -> str:
    """Return the path of the Chromium of this computer."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "the tests drive Chromium: apt install chromium"
    return program
