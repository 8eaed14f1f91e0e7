"""A logbook in a bucket: pages show it, say that it cannot be reached, and are right again by themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from integration.conftest import gateway_of_ceph, traffic
from integration.s3.conftest import place
from playwright.sync_api import BrowserContext, expect
from s3_proxy import Fault, Traffic

from vml_jupyter.flows.settings import Settings

from .conftest import accessible, open_logbook, running_lab, shot

__all__ = ["gateway_of_ceph", "place", "traffic"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PASSWORD = "of the test"
BY_ITSELF_MS = 90_000  # what is asked is asked again for a while, before it is given up


def test_a_bucket_out_of_reach(
    context: BrowserContext, settings: Settings, place: str, traffic: Traffic, tmp_path: Path
) -> None:
    area = tmp_path / "root" / "fits"
    area.mkdir(parents=True)
    (area / "fit.py").write_text("def fit(x):\n    return 2 * x\n")
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_LOGBOOK": place,
        "VML_LOGBOOK_PASSWORD": PASSWORD,
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }
    with running_lab(area.parent, environ) as lab:
        page = context.new_page()
        page.goto(lab.page())
        folder = page.locator(".jp-DirListing-item", has_text="fits")
        folder.click(button="right")
        page.get_by_role("menuitem", name="Snapshot This Folder…").click()
        page.get_by_test_id("vml-title").fill("in a bucket")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        open_logbook(page)
        expect(page.get_by_role("button", name="in a bucket", exact=True)).to_be_visible(timeout=60_000)
        expect(page.get_by_test_id("vml-entry").get_by_test_id("vml-shared")).to_have_text("shared")
        with traffic.failing(Fault.CUT_DOWNLOAD, for_good=True):
            page.get_by_role("button", name="Read entries and machines again").click()
            failure = page.locator(".vml-Entries .vml-Failure")
            expect(failure).to_contain_text("cannot be reached", timeout=BY_ITSELF_MS)
            accessible(page, "#vml-logbook")
            shot(page, "trouble-bucket")
        expect(failure).to_have_count(0, timeout=BY_ITSELF_MS)
        page.get_by_role("button", name="in a bucket", exact=True).click()
        page.get_by_test_id("vml-tree").get_by_text("fit.py").click()
        expect(page.get_by_text("return 2 * x")).to_be_visible()
