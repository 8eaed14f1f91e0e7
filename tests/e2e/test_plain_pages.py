"""An entry is found and its launcher had without JupyterLab, below a base URL too, in dark and light."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from playwright.sync_api import BrowserContext, expect

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

from .conftest import running_lab
from .plain import download_launcher

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

TITLE = "Z mass <b>first</b> fit"


def test_a_launcher_is_had_without_jupyterlab(
    context: BrowserContext, environ: dict[str, str], machine_settings: Settings, dimuon: Path
) -> None:
    for title in ("another", TITLE):
        entry = capture(
            machine_settings,
            dimuon,
            notebook="dimuon.ipynb",
            title=title,
            release=recipe.SYSTEMS[0].version,
        )
    with running_lab(dimuon, environ, "/user/someone/") as lab:
        assert requests.get(f"{lab.url}vml/", timeout=30).url.startswith(f"{lab.url}login"), (
            "not to everybody"
        )
        page = context.new_page()
        page.goto(lab.page("vml/"))
        expect(page.locator("tbody tr")).to_have_count(2)
        script = download_launcher(page, entry.id, TITLE, "first fit")
        assert lab.url.encode() in script
        assert lab.token.encode() not in script
        page.goto(f"{lab.url}vml/?q=nothing+like+it")
        expect(page.get_by_text("No entry has these words")).to_be_visible()
