"""A real JupyterLab with the built extension, and a real Chromium in front of it."""

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
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ARTEFACTS = Path(__file__).parent.parent.parent / "artefacts"
AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
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

    def page(self, path: str = "lab") -> str:
        return f"{self.url}{path}?token={self.token}"


@contextmanager
def running_lab(root: Path, environ: dict[str, str], base_url: str = "/", *options: str) -> Iterator[Lab]:
    """Run JupyterLab on a folder until the ``with`` block ends."""
    token = secrets.token_hex(16)
    port = free_port()
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
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], env=own, stdout=output, stderr=output
        )
    lab = Lab(f"http://127.0.0.1:{port}{base_url}", token)
    try:
        await_answer(lab, process, log)
        yield lab
    finally:
        process.terminate()
        process.wait(30)
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(
    scope="module"
)  # it keeps an event loop running, which other tests' servers would stumble over
def browser() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "the tests drive Chromium: apt install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=CHROMIUM, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    for number, page in enumerate(context.pages):
        shot(page, f"{request.node.name}-end-{number}")
    context.close()


def open_logbook(page: Page) -> None:
    """Bring the logbook's panel into sight."""
    if not page.get_by_test_id("vml-search").is_visible():
        page.locator(".jp-SideBar [data-id='vml-logbook']").click()
    expect(page.get_by_test_id("vml-search")).to_be_visible()


def run_command(page: Page, command: str, args: dict[str, Any]) -> None:
    """Run a command of JupyterLab; needs ``--LabApp.expose_app_in_browser=True``."""
    page.evaluate("([id, args]) => window.jupyterapp.commands.execute(id, args)", [command, args])


def show_theme(page: Page, name: str) -> None:
    """Show ``Dark`` or ``Light``, and wait until it is there."""
    run_command(page, "apputils:change-theme", {"theme": f"JupyterLab {name}"})
    light = "true" if name == "Light" else "false"
    expect(page.locator(f"body[data-jp-theme-light='{light}']")).to_have_count(1)
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def accessible(page: Page, *places: str) -> None:
    """Let axe-core look at parts of the page; it must find nothing serious."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        # JupyterLab's own toolbar buttons are left to JupyterLab: their aria-pressed is on an element without a role.
        "places => axe.run({include: places.map(one => [one]), exclude: [['jp-button']]})",
        list(places),
    )
    serious = [
        (one["id"], node["html"][:200], node["failureSummary"][:300])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
    assert serious == []


def shot(page: Page, name: str) -> None:
    """Keep a picture of what a user would see."""
    page.screenshot(path=ARTEFACTS / f"{name}.png")
