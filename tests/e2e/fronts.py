"""Front ends beside plain JupyterLab, each as its own users start it, with the extension as it is built here.

    .venv/collaboration    JupyterLab with real-time collaboration
    .venv/fronts           Notebook 7, Voila, JupyterHub with its single-user server

They have environments of their own, so that what they add to JupyterLab is in no other test; each sees the packages
of ``.venv`` besides its own. ``make`` sets them up, with the versions of ``constraints.txt``.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import requests
from lab_server import end
from playwright.sync_api import Page

from .conftest import ARTEFACTS, free_port

ROOT = Path(__file__).parent.parent.parent
USER = "ada"


def program(front: str, name: str = "python") -> str:
    """Return the path of a program of a front end's environment."""
    path = Path(sys.prefix) / front / "bin" / name
    assert path.exists(), f"there is no {path}: run `make fronts`"
    return str(path)


def environ_for(front: str, environ: dict[str, str]) -> dict[str, str]:
    """Let a front end's own Jupyter find what is installed in ``.venv``: the extension, kernels, JupyterLab itself."""
    outer = Path(sys.prefix)
    return {
        **environ,
        "PATH": f"{outer / front / 'bin'}:{environ['PATH']}",
        "JUPYTER_PATH": f"{outer / front}/share/jupyter:{outer}/share/jupyter",  # its own templates first
        "JUPYTER_CONFIG_PATH": f"{outer}/etc/jupyter",
        "JUPYTERLAB_DIR": f"{outer}/share/jupyter/lab",
    }


@contextmanager
def running(words: list[str], environ: dict[str, str], url: str, log: Path) -> Iterator[None]:
    """Run a server until the ``with`` block ends, from when it answers at ``url``."""
    with log.open("wb") as output:
        process = subprocess.Popen(words, env=environ, stdout=output, stderr=output, cwd=log.parent)
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                # A no is an answer; a proxy alone, that does not know its hub yet, finds nothing there.
                if requests.get(url, timeout=2).status_code < 404:
                    break
                time.sleep(0.1)
            except requests.RequestException:
                time.sleep(0.1)
            alive = process.poll() is None and time.monotonic() < deadline
            assert alive, f"{words[0]} did not come up:\n{log.read_text()[-3000:]}"
        yield
    finally:
        end(process)
        (ARTEFACTS / f"{log.stem}.log").write_bytes(log.read_bytes())


@contextmanager
def running_voila(folder: Path, shown: str, environ: dict[str, str]) -> Iterator[str]:
    """Run Voila with a notebook in a new ``folder`` that shows a widget of ``vml``; gives the address of its page."""
    folder.mkdir()
    notebook = folder / "shown.ipynb"
    cell = nbformat.v4.new_code_cell(f"import vml_jupyter as vml\n\n{shown}")
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec}), notebook)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    words = [
        program("fronts", "voila"),
        str(notebook),
        "--no-browser",
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
    ]
    # Each page that is opened starts a kernel of its own, so what is waited for first is a file, which is not there.
    with running(words, environ_for("fronts", environ), f"{url}static/none", folder / "voila.log"):
        yield url


@contextmanager
def running_hub(root: Path, environ: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Run a JupyterHub on 127.0.0.1 whose users' servers show ``root``; gives its address and the users' password."""
    folder = root.parent / "hub"
    folder.mkdir()
    port, api, hub, password = free_port(), free_port(), free_port(), secrets.token_hex(8)
    (folder / "config.py").write_text(f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = ["{ROOT}/node_modules/.bin/configurable-http-proxy"]
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie-secret"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.DummyAuthenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = {[program("fronts", "jupyterhub-singleuser"), *(["--allow-root"] if os.geteuid() == 0 else [])]!r}
c.Spawner.notebook_dir = "{root}"
c.Spawner.environment = {environ_for("fronts", environ)!r}
c.Spawner.ip = "127.0.0.1"
""")
    words = [program("fronts", "jupyterhub"), "--config", f"{folder}/config.py"]
    url = f"http://127.0.0.1:{port}/"
    with running(words, environ_for("fronts", environ), f"{url}hub/health", folder / "jupyterhub.log"):
        yield url, password


def log_in(page: Page, url: str, password: str, path: str) -> None:
    """Log in to a hub as ``USER``, and go on to a path of the user's own server."""
    page.goto(f"{url}hub/user-redirect/{path}")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}user/{USER}/**", timeout=90_000)
