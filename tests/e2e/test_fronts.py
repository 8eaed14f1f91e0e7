"""The logbook in each environment that physicists work in: entries are listed, a saved notebook is captured, and read.

No machine is booted: how a machine is reached from each is in ``test_remote_browser`` and in the tests of the server.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.reading import read_file
from vml_jupyter.flows.settings import Settings

from .conftest import free_port, open_logbook, running_lab, shot
from .fronts import environ_for, log_in, program, running, running_hub

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

Opener = Callable[[Page, str], None]
Front = Callable[[Path, dict[str, str]], AbstractContextManager[Opener]]


@contextmanager
def lab(root: Path, environ: dict[str, str]) -> Iterator[Opener]:
    with running_lab(root, environ, "/physics/jupyter/") as server:
        assert server.url.endswith("/physics/jupyter/")
        yield lambda page, path: void(page.goto(server.page(f"lab/tree/{path}")))


@contextmanager
def collaborating(root: Path, environ: dict[str, str]) -> Iterator[Opener]:
    environ = environ_for("collaboration", environ)
    with running_lab(root, environ, python=program("collaboration")) as server:
        yield lambda page, path: void(page.goto(server.page(f"lab/tree/{path}")))


@contextmanager
def notebook(root: Path, environ: dict[str, str]) -> Iterator[Opener]:
    port = free_port()
    words = [
        program("fronts", "jupyter-notebook"),
        f"--ServerApp.root_dir={root}",
        f"--ServerApp.port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.open_browser=False",
        "--IdentityProvider.token=of-the-test",
        *(["--ServerApp.allow_root=True"] if os.geteuid() == 0 else []),
    ]
    url = f"http://127.0.0.1:{port}/"
    with running(words, environ_for("fronts", environ), f"{url}api", root.parent / "notebook.log"):
        yield lambda page, path: void(page.goto(f"{url}notebooks/{path}?token=of-the-test"))


@contextmanager
def hub(root: Path, environ: dict[str, str]) -> Iterator[Opener]:
    with running_hub(root, environ) as (url, password):
        yield lambda page, path: log_in(page, url, password, f"lab/tree/{path}")


FRONTS: dict[str, Front] = {
    "lab-below-a-base-url": lab,
    "lab-with-collaboration": collaborating,
    "notebook-7": notebook,
    "jupyterhub": hub,
}


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "root" / "fits"
    area.mkdir(parents=True)
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1 + 1", "outputs": []}
    text = {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "# Mass of the Z"}
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    cells = [text, {**cell, "execution_count": None}]
    body = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    (area / "zmass.ipynb").write_text(json.dumps(body))
    return area


@pytest.mark.parametrize("front", FRONTS)
def test_a_notebook_is_captured_and_read(
    context: BrowserContext, front: str, area: Path, settings: Settings
) -> None:
    earlier = capture(settings, area, notebook="zmass.ipynb", title="before today")
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
        "JUPYTERLAB_SETTINGS_DIR": str(area.parent.parent / "lab-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(area.parent.parent / "lab-workspaces"),
    }
    page = context.new_page()
    with FRONTS[front](area.parent, environ) as go:
        go(page, "fits/zmass.ipynb")
        cell = page.locator(".jp-CodeCell .cm-content")
        expect(cell.first).to_have_text("1 + 1", timeout=90_000)
        cell.first.click()
        page.keyboard.press("Control+End")
        page.keyboard.type(" # typed and not saved")

        page.locator(".jp-NotebookPanel-toolbar [data-command='vml:snapshot']").click()
        expect(page.get_by_test_id("vml-title")).to_have_value("Mass of the Z: 1 cell changed")
        page.get_by_test_id("vml-title").fill("taken here")
        # The job ends before there is anything to draw its notification with.
        page.route(re.compile(r"/static/.*\.js"), late)
        page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(page.get_by_text("“taken here” is in the logbook")).to_be_visible(timeout=60_000)

        page.unroute_all()

        show_logbook(page, front)
        expect(page.get_by_test_id("vml-entry")).to_have_count(2)
        look_into(page, earlier.title)
        shot(page, f"front-{front}")
        page.goto("about:blank")

    [taken, first] = list_entries(settings)
    assert (taken.title, taken.parent, first.id) == ("taken here", earlier.id, earlier.id)
    assert (taken.notebook, taken.area) == ("zmass.ipynb", str(area))
    saved = read_file(settings, taken.id, "zmass.ipynb", 1 << 20)
    assert b"typed and not saved" in saved.raw


def late(route: Route) -> None:
    time.sleep(2)  # a snapshot of two files is done before
    route.continue_()


def show_logbook(page: Page, front: str) -> None:
    if front == "notebook-7":
        page.get_by_role("menuitem", name="View", exact=True).click()
        page.get_by_role("menuitem", name="Logbook", exact=True).click()
        expect(page.get_by_test_id("vml-search")).to_be_visible()
    else:
        open_logbook(page)


def look_into(page: Page, title: str) -> None:
    """Open the page of an entry, and see the notebook in it."""
    page.get_by_role("button", name=title, exact=True).click()
    notebook = page.get_by_test_id("vml-notebook")
    expect(notebook.get_by_role("heading", name="Mass of the Z")).to_be_visible(timeout=60_000)
    expect(notebook.get_by_text("typed and not saved")).to_have_count(0)


def void(_: object) -> None:
    """Drop a value."""
