"""A real JupyterLab with the built extension, and a real Chromium in front of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_server import ARTEFACTS, CHROMIUM, Lab, chromium, free_port, running_lab
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

__all__ = ["ARTEFACTS", "Lab", "free_port", "running_lab"]

# Emulated machines leave the browser little of two cores now and then.
expect.set_options(timeout=15_000)

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(
    scope="module"
)  # it keeps an event loop running, which other tests' servers would stumble over
def browser() -> Iterator[Browser]:
    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=CHROMIUM, chromium_sandbox=os.geteuid() != 0
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    for number, page in enumerate(context.pages):
        # Without the brackets of a parameter, which no page of the documentation could show.
        shot(page, f"{re.sub(r'[^A-Za-z0-9_-]+', '-', request.node.name).strip('-')}-end-{number}")
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


def in_all_looks(page: Page, name: str, *places: str) -> None:
    """Keep pictures in dark and light, narrow and wide; axe-core looks at ``places`` in each theme.

    Needs ``--LabApp.expose_app_in_browser=True``; the page is light and 1280 pixels wide after it.
    """
    for theme in ("Dark", "Light"):
        show_theme(page, theme)
        for width, height in ((1920, 1080), (1280, 800)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(
                "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
            )
            shot(page, f"{name}-{theme.lower()}-{width}")
        if places:
            accessible(page, *places)


def shot(page: Page, name: str) -> None:
    """Keep a picture of what a user would see."""
    page.screenshot(path=ARTEFACTS / f"{name}.png")
