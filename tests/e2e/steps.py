"""What users do by clicking, in whichever way their browser reaches the machine."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import accessible, open_logbook, shot

BOOT_MS = 300_000
GUEST_MS = 180_000  # a page of Lab out of an emulated machine


def take_snapshot(page: Page, *, title: str, release: str) -> None:
    page.locator(".jp-NotebookPanel-toolbar [data-command='vml:snapshot']").click()
    page.get_by_test_id("vml-title").fill(title)
    choice = page.get_by_test_id("vml-release")
    expect(choice.locator("option", has_text=release)).to_have_count(1)
    choice.select_option(label=choice.locator("option", has_text=release).inner_text())
    shot(page, "snapshot-dialog")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    open_logbook(page)
    expect(page.get_by_test_id("vml-entry").filter(has_text=title)).to_be_visible(timeout=60_000)
    shot(page, "logbook-with-entry")


def start_restore(page: Page) -> None:
    open_logbook(page)
    page.get_by_test_id("vml-restore").first.click()
    expect(page.get_by_test_id("vml-restore-memory")).to_be_visible()
    accessible(page, ".jp-Dialog")
    shot(page, "restore-dialog")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.get_by_test_id("vml-job")).to_be_visible()
    shot(page, "restore-under-way")


def run_first_cell(page: Page) -> None:
    """Run the cell that says where it runs; one that is scrolled out of sight would leave the page."""
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=GUEST_MS)
    cell = page.locator(".jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+Enter")


def delete_machine(page: Page) -> None:
    page.bring_to_front()
    page.get_by_test_id("vml-machine-menu").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.get_by_test_id("vml-machine")).to_have_count(0, timeout=60_000)
