"""The widgets where there is no JupyterLab around them: as a page of Voila, alive."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings

from .conftest import accessible, free_port, shot
from .fronts import environ_for, program, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LIVE_MS = 40_000  # the list looks again every fifteen seconds


def test_the_logbook_is_alive_in_a_page_of_voila(
    context: BrowserContext, settings: Settings, tmp_path: Path
) -> None:
    area = tmp_path / "fits"
    area.mkdir()
    (area / "fit.py").write_text("def fit(x):\n    return 2 * x\n")
    capture(settings, area, title="first fit")
    page_of = tmp_path / "page" / "logbook.ipynb"
    page_of.parent.mkdir()
    write_notebook(page_of, "import vml_jupyter as vml\n\nvml.Logbook()")
    port = free_port()
    words = [
        program("fronts", "voila"),
        str(page_of),
        "--no-browser",
        f"--port={port}",
        "--Voila.ip=127.0.0.1",
    ]
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }
    url = f"http://127.0.0.1:{port}/"
    # Each page that is opened starts a kernel of its own, so what is waited for first is a file, which is not there.
    with running(words, environ_for("fronts", environ), f"{url}static/none", page_of.parent / "voila.log"):
        page = context.new_page()
        page.goto(url)
        entries = page.get_by_label("Entries")
        expect(entries.locator("option")).to_have_count(1, timeout=60_000)
        expect(page.get_by_text("1 entry", exact=True)).to_be_visible()
        expect(page.get_by_text("import vml_jupyter")).to_have_count(0)
        capture(settings, area, title="second fit")
        expect(entries.locator("option", has_text="second fit")).to_be_attached(timeout=LIVE_MS)

        page.get_by_label("Search").fill("first")
        expect(entries.locator("option")).to_have_count(1, timeout=LIVE_MS)
        page.get_by_label("Folder").fill(str(tmp_path / "again"))
        page.get_by_role("button", name="Restore files").click()
        expect(page.get_by_text("1 files are in")).to_be_visible(timeout=LIVE_MS)
        accessible(page, ".jupyter-widgets")
        shot(page, "widgets-voila")
    assert (tmp_path / "again" / "fit.py").read_text() == (area / "fit.py").read_text()


def write_notebook(file: Path, source: str) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": []}
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    body = {
        "cells": [{**cell, "execution_count": None}],
        "metadata": {"kernelspec": spec},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    file.write_text(json.dumps(body))
