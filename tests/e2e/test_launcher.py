"""A launcher by clicking: made for an entry, downloaded, run with a real machine, seen in the panel to its end."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from integration.launcher_scene import elsewhere
from playwright.sync_api import BrowserContext, Download, Page, expect

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

from .conftest import accessible, open_logbook, run_command, running_lab, shot, show_theme

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(900)]
GUEST_MS = 180_000


def test_a_launcher_is_made_downloaded_run_and_watched(
    context: BrowserContext,
    environ: dict[str, str],
    machine_settings: Settings,
    dimuon: Path,
    tmp_path: Path,
) -> None:
    entry = capture(
        machine_settings, dimuon, notebook="dimuon.ipynb", title="Dimuons", release=recipe.SYSTEMS[0].version
    )
    with running_lab(dimuon, environ, "/", "--LabApp.expose_app_in_browser=True") as lab:
        page = context.new_page()
        page.goto(lab.page())
        open_logbook(page)
        from_the_menu(page)
        run_command(page, "vml:open-entry", {"entry": entry.id})
        file = tmp_path / "downloaded.py"
        download = from_the_page(page)
        assert download.suggested_filename == f"vml-launch-{entry.id}.py"
        download.save_as(file)

        with elsewhere(tmp_path / "home", file.read_bytes(), download.suggested_filename) as there:
            there.run()
            item = page.get_by_test_id("vml-launch")
            expect(item).to_have_attribute("data-state", "running")
            item.locator("summary").click()
            for stage in ("image", "fetch", "start", "ready", "running"):
                expect(item.locator(f"[data-stage='{stage}']")).to_have_count(1)
            accessible(page, "#vml-logbook")
            for theme in ("Dark", "Light"):
                show_theme(page, theme)
                shot(page, f"launch-in-panel-{theme.lower()}")
            sees_the_notebook(context, there.run())

            there.write("note.txt", "written there")
            there.run("capture", "-m", "from elsewhere")
            expect(page.get_by_test_id("vml-entry").filter(has_text="from elsewhere")).to_be_visible()
            assert list_entries(machine_settings)[0].parent == entry.id
            there.run("remove")
            expect(item).to_have_attribute("data-state", "removed")
            shot(page, "launch-ended")
            page.get_by_test_id("vml-launch-forget").click()
            expect(item).to_have_count(0)


def from_the_menu(page: Page) -> None:
    """The entry's menu in the panel has it, too."""
    page.get_by_test_id("vml-entry").first.click(button="right")
    page.get_by_role("menuitem", name="Launcher for Another Computer…").click()
    expect(page.locator(".jp-Dialog")).to_contain_text("Launcher for “Dimuons”")
    expect(page.locator(".jp-Dialog :focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def from_the_page(page: Page) -> Download:
    """Make one by the button on the entry's page; what is shown beside the download is the digest of what comes."""
    page.locator("button[data-command='vml:launcher']").click()
    expect(page.get_by_test_id("vml-meaning")).to_be_attached()
    accessible(page, ".jp-Dialog")
    shot(page, "launcher-form")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    digest = page.get_by_test_id("vml-launcher-sha256")
    expect(digest).to_have_text(re.compile("^[0-9a-f]{64}$"), timeout=120_000)
    accessible(page, ".jp-Dialog")
    for theme in ("Dark", "Light"):
        show_theme(page, theme)
        shot(page, f"launcher-dialog-{theme.lower()}")
    shown = digest.inner_text()
    with page.expect_download() as coming:
        page.locator(".jp-Dialog .jp-mod-accept").click()
    assert hashlib.sha256(coming.value.path().read_bytes()).hexdigest() == shown
    return coming.value


def sees_the_notebook(context: BrowserContext, said: str) -> None:
    """Open the address that the script printed."""
    found = re.search(r"The notebook is at (\S+)", said)
    assert found
    inside = context.new_page()
    inside.goto(found[1], timeout=GUEST_MS)
    expect(inside.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=GUEST_MS)
    shot(inside, "launched-notebook")
    inside.close()
