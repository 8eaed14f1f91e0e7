"""What goes wrong beside the page: it says what is so, and is right again without being loaded anew."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vml_jupyter.flows.bin import empty_bin, forget
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries, opened
from vml_jupyter.flows.settings import Settings

from .conftest import Lab, accessible, open_logbook, running_lab, shot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

BY_ITSELF_MS = 40_000  # the page looks again every ten seconds while something is wrong


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "root" / "fits"
    area.mkdir(parents=True)
    (area / "fit.py").write_text("def fit(x):\n    return 2 * x\n")
    return area


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }


@pytest.fixture
def titles(area: Path, settings: Settings) -> list[str]:
    """The logbook has three entries."""
    titles = ["first", "second", "third"]
    for title in titles:
        (area / "fit.py").write_text(f"def fit(x):\n    return '{title}'\n")
        capture(settings, area, title=title)
    return titles


@pytest.fixture
def lab(area: Path, titles: list[str], environ: dict[str, str]) -> Iterator[Lab]:
    with running_lab(area.parent, environ) as lab:
        yield lab


def opened_page(context: BrowserContext, lab: Lab) -> Page:
    page = context.new_page()
    page.goto(lab.page())
    open_logbook(page)
    expect(page.get_by_test_id("vml-entry")).to_have_count(3, timeout=60_000)
    return page


def test_an_entry_that_another_program_removed(context: BrowserContext, lab: Lab, settings: Settings) -> None:
    page = opened_page(context, lab)
    page.get_by_role("button", name="second", exact=True).click()
    expect(page.get_by_test_id("vml-tree")).to_contain_text("fit.py")
    [second] = [entry.id for entry in list_entries(settings) if entry.title == "second"]
    forget(settings, [second])
    empty_bin(settings)

    page.locator(f"[data-entry-id='{second}']").get_by_test_id("vml-entry-menu").click()
    page.get_by_role("menuitem", name="Restore Files to a Folder…").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    job = page.get_by_test_id("vml-job")
    expect(job).to_contain_text(second, timeout=60_000)
    shot(page, "trouble-vanished")
    expect(page.locator(".vml-Page .vml-Failure-message")).to_contain_text(
        "has no entry", timeout=BY_ITSELF_MS
    )
    expect(page.get_by_test_id("vml-entry")).to_have_count(2)
    accessible(page, ".vml-Page", "#vml-logbook")
    page.get_by_role("button", name="first", exact=True).click()
    expect(page.get_by_test_id("vml-tree").last).to_contain_text("fit.py")


def test_a_logbook_that_somebody_holds(context: BrowserContext, lab: Lab, settings: Settings) -> None:
    page = opened_page(context, lab)
    folder = page.locator(".jp-DirListing-item", has_text="fits")
    page.locator(".jp-SideBar [data-id='filebrowser']").click()
    with opened(settings) as logbook, logbook.repository.lock(exclusive=True):
        take(page)
        open_logbook(page)
        job = page.get_by_test_id("vml-job").filter(has=page.locator(".vml-Failure"))
        expect(job).to_contain_text("lock", timeout=60_000)
        shot(page, "trouble-locked")
        expect(page.get_by_test_id("vml-entry")).to_have_count(3)
    job.get_by_test_id("vml-job-end").click()
    expect(page.get_by_test_id("vml-job")).to_have_count(0)
    page.locator(".jp-SideBar [data-id='filebrowser']").click()
    expect(folder).to_be_visible()
    take(page)
    open_logbook(page)
    expect(page.get_by_test_id("vml-entry")).to_have_count(4, timeout=60_000)


def take(page: Page) -> None:
    """Take a snapshot of the folder by its menu."""
    page.locator(".jp-DirListing-item", has_text="fits").click(button="right")
    page.get_by_role("menuitem", name="Snapshot This Folder…").click()
    page.get_by_test_id("vml-title").fill("while it was held")
    page.locator(".jp-Dialog .jp-mod-accept").click()


def test_a_password_that_opens_nothing(context: BrowserContext, lab: Lab, settings: Settings) -> None:
    page = opened_page(context, lab)
    file = settings.password_file()
    right = file.read_text()
    file.write_text("of another logbook\n")
    page.get_by_role("button", name="Read entries and machines again").click()
    failure = page.locator(".vml-Entries .vml-Failure")
    expect(failure).to_contain_text("password", timeout=BY_ITSELF_MS)
    accessible(page, "#vml-logbook")
    shot(page, "trouble-wrong-password")
    file.write_text(right)
    expect(page.get_by_test_id("vml-entry")).to_have_count(3, timeout=BY_ITSELF_MS)


def test_a_logbook_that_cannot_be_reached(
    context: BrowserContext, lab: Lab, settings: Settings, tmp_path: Path
) -> None:
    page = opened_page(context, lab)
    shutil.move(settings.logbook, tmp_path / "away")
    page.get_by_role("button", name="Read entries and machines again").click()
    failure = page.locator(".vml-Entries .vml-Failure")
    expect(failure).to_be_visible(timeout=BY_ITSELF_MS)
    shot(page, "trouble-unreachable")
    page.get_by_test_id("vml-failure-action").click()
    expect(failure).to_be_visible()
    shutil.move(tmp_path / "away", settings.logbook)
    expect(page.get_by_test_id("vml-entry")).to_have_count(3, timeout=BY_ITSELF_MS)


def test_what_one_page_does_the_other_shows(context: BrowserContext, lab: Lab) -> None:
    one, other = opened_page(context, lab), opened_page(context, lab)
    one.get_by_role("button", name="second", exact=True).focus()
    one.keyboard.press("Delete")
    expect(one.get_by_test_id("vml-entry")).to_have_count(2)
    expect(other.get_by_test_id("vml-entry")).to_have_count(2)
    other.get_by_role("button", name="first", exact=True).click()
    other.locator(".vml-Head-title").hover()
    other.get_by_test_id("vml-Head-title-edit").click()
    other.locator(".vml-Head-title input").fill("renamed")
    other.keyboard.press("Enter")
    expect(one.get_by_role("button", name="renamed", exact=True)).to_be_visible()
    one.get_by_role("button", name="Undo").first.click()
    expect(other.get_by_test_id("vml-entry")).to_have_count(3)


def test_a_server_that_is_started_anew(
    context: BrowserContext, area: Path, titles: list[str], environ: dict[str, str], settings: Settings
) -> None:
    with running_lab(area.parent, environ) as lab:
        page = opened_page(context, lab)
        os.kill(lab.pid, signal.SIGKILL)
        page.get_by_role("button", name="Read entries and machines again").click()
        expect(page.get_by_test_id("vml-lost")).to_contain_text("does not answer", timeout=BY_ITSELF_MS)
        shot(page, "trouble-no-server")
    capture(settings, area, title="taken meanwhile")
    with running_lab(area.parent, environ, again=lab):
        expect(page.get_by_test_id("vml-lost")).to_have_count(0, timeout=BY_ITSELF_MS)
        expect(page.get_by_test_id("vml-entry")).to_have_count(4)
        expect(page.get_by_role("button", name="taken meanwhile", exact=True)).to_be_visible()
