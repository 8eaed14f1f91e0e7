"""The widgets where there is no JupyterLab around them: as a page of Voila, alive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings

from .conftest import accessible, shot
from .fronts import running_voila

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LIVE_MS = 40_000  # the list looks again every fifteen seconds


def test_the_logbook_is_alive_in_a_page_of_voila(
    context: BrowserContext, settings: Settings, tmp_path: Path
) -> None:
    area = tmp_path / "fits"
    area.mkdir()
    (area / "fit.py").write_text("def fit(x):\n    return 2 * x\n")
    capture(settings, area, title="first fit")
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }
    with running_voila(tmp_path / "page", "vml.Logbook()", environ) as url:
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
        expect(page.get_by_text("1 file is in")).to_be_visible(timeout=LIVE_MS)
        accessible(page, ".jupyter-widgets")
        shot(page, "widgets-voila")
    assert (tmp_path / "again" / "fit.py").read_text() == (area / "fit.py").read_text()
