"""A Jupyter server, and a computer without VML on which launchers run: what tests of launchers share."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from nbformat import NotebookNode

from vml_jupyter.guest.notebook import execute_notebook

RUN_S = 900 + 12 * float(os.environ.get("VML_CUT_S", "0"))


@dataclass
class Server:
    """A Jupyter server with the extension, which can be taken away and brought back."""

    port: int
    token: str
    begin: Callable[[], None]
    end: Callable[[], None]
    kill: Callable[[], None]
    certificate: Path | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/"

    def get(self, path: str, **headers: str) -> requests.Response:
        headers["Authorization"] = f"token {self.token}"
        verify = str(self.certificate) if self.certificate else True
        return requests.get(self.url + path, headers=headers, timeout=60, verify=verify)

    def launches(self, which: str = "launches") -> list[dict[str, Any]]:
        return list(self.get("vml/api/launches").json()[which])


@contextmanager
def running(root: Path, environ: dict[str, str], certificate: Path | None = None) -> Iterator[Server]:
    """Run a Jupyter server on a folder; over https where there is a certificate (with its key in the same file)."""
    port = free_port()
    token = secrets.token_hex(16)
    words = [
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *("--ServerApp.open_browser=False", f"--ServerApp.root_dir={root}", "--ServerApp.allow_root=True"),
        *([f"--ServerApp.certfile={certificate}"] if certificate else []),
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
        until(lambda: answers(port), 120, "the server answers")

    def kill() -> None:
        processes[-1].kill()
        processes[-1].wait(30)

    def end() -> None:
        processes[-1].terminate()
        processes[-1].wait(30)

    begin()
    try:
        yield Server(port, token, begin, end, kill, certificate)
    finally:
        end()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as link:
        link.settimeout(2)
        return link.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what} not within {patience_s} s"
        time.sleep(0.1)
    return found


def config_of(script: bytes) -> dict[str, Any]:
    """Return what a launcher was made with."""
    scope: dict[str, Any] = {"__name__": "read", "__file__": "x"}
    exec(compile(script, "launch.py", "exec"), scope)
    return dict(scope["CONFIG"])


def file_with(sha256: str, folder: Path) -> Path:
    """Return the file somewhere below a folder that has this digest."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return next(file for file in files if hashlib.sha256(file.read_bytes()).hexdigest() == sha256)


@dataclass
class Elsewhere:
    """A computer that has Python and QEMU: its home, and a script that is run there."""

    home: Path
    script: Path
    options: Sequence[str] = ()

    def words(self, *words: str) -> list[str]:
        root = ["--allow-root"] if os.geteuid() == 0 else []
        return [
            "/usr/bin/python3",
            "-I",
            str(self.script),
            *words,
            "--yes",
            "--no-browser",
            *root,
            *self.options,
        ]

    @property
    def environ(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}

    def run(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(
            self.words(*words), env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=RUN_S
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def downloads(self) -> Path:
        return self.home / "Downloads"

    @property
    def folder(self) -> Path:
        return next((self.home / ".local" / "share" / "vml-launch").iterdir())

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "launch.json").read_bytes()))

    def execute(self, notebook: str) -> NotebookNode:
        """Run a notebook in the machine, and return it with what it printed."""
        record = self.record
        return execute_notebook(
            f"http://127.0.0.1:{record['port']}/", record["jupyter_token"], notebook, 240.0
        )

    def write(self, path: str, text: str) -> None:
        """Write a file in the machine's working area, as its Jupyter does."""
        self.ask("PUT", f"contents/{path}", {"type": "file", "format": "text", "content": text})

    def start_kernel(self, notebook: str) -> None:
        """Start a notebook's kernel, as opening it does."""
        kernel = {"name": "python3"}
        self.ask(
            "POST", "sessions", {"path": notebook, "name": notebook, "type": "notebook", "kernel": kernel}
        )

    def ask(self, method: str, what: str, body: dict[str, Any]) -> None:
        record = self.record
        done = requests.request(
            method,
            f"http://127.0.0.1:{record['port']}/api/{what}",
            headers={"Authorization": f"token {record['jupyter_token']}"},
            json=body,
            timeout=180,
        )
        assert done.ok, done.text

    def files(self) -> list[Path]:
        """Return all that lies in its home."""
        return sorted(each for each in self.home.rglob("*") if each.is_file())


def runs(there: Elsewhere, notebook: str = "dimuon.ipynb") -> None:
    """See a notebook run in the machine: the example, or a short one, which has no plots that take their time."""
    assert any(cell.get("outputs") for cell in there.execute(notebook).cells)


def stages(launch: dict[str, Any]) -> list[str]:
    return [each["name"] for each in launch["stages"]]


def launcher_in(bundle: Path) -> bytes:
    """Return the script that an export has in it, for use without a server."""
    with tarfile.open(bundle) as archive:
        member = archive.extractfile("launch.py")
        assert member
        return member.read()


@contextmanager
def elsewhere(home: Path, script: bytes, name: str, *options: str) -> Iterator[Elsewhere]:
    """Have such a computer, and end what a test that failed left running there."""
    home.mkdir()
    (home / name).write_bytes(script)
    there = Elsewhere(home, home / name, options)
    try:
        yield there
    finally:
        subprocess.run(there.words("remove"), env=there.environ, cwd=home, capture_output=True, timeout=120)
