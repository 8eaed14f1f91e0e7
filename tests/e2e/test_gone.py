"""An entry whose CernVM is gone: its page says so, and a machine of another one does wherever it is seen."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

from .conftest import accessible, open_logbook, running_lab, shot
from .fronts import running_voila
from .steps import BOOT_MS, GUEST_MS

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(600)]

GONE = recipe.GONE.version
CHOSEN = recipe.SYSTEMS[1].version
LABEL = f"CernVM {CHOSEN} instead of {GONE}"


@pytest.mark.warm(CHOSEN)
@pytest.mark.usefixtures("gone_entry")
def test_what_is_gone_is_told_and_what_is_there_instead(
    context: BrowserContext, environ: dict[str, str], machine_settings: Settings
) -> None:
    with running_lab(machine_settings.data.parent / "dimuon", environ) as lab:
        page = context.new_page()
        page.goto(lab.page())
        look_at_the_entry(page)
        restore_in_another(page)

        banner = page.get_by_test_id("vml-banner")
        expect(banner).to_contain_text(f"Runs in {LABEL}", timeout=BOOT_MS)
        expect(page.get_by_role("tab", name=f"dimuon.ipynb · {LABEL}")).to_be_visible()
        expect(page.get_by_test_id("vml-status")).to_have_text(LABEL)
        machine = page.get_by_test_id("vml-machine")
        expect(machine.get_by_test_id("vml-differs")).to_have_text(LABEL)
        accessible(page, ".vml-Banner", "#vml-logbook")
        shot(page, "machine-that-differs")

        [machine] = machines.list_machines(machine_settings)
        shown = f"vml.Machine({machine.id!r})"
        with running_voila(machine_settings.data.parent / "page", shown, environ) as url:
            delete_by_widget(context, url, machine.id)
        expect(page.get_by_test_id("vml-machine")).to_have_count(0, timeout=60_000)
    assert machines.list_machines(machine_settings) == []


def delete_by_widget(context: BrowserContext, url: str, machine: str) -> None:
    """See the machine in a page of Voila that shows it alone, alive, and delete it there."""
    page = context.new_page()
    page.goto(url)
    expect(page.get_by_text(f"Machine {machine}")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("running", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Start")).to_be_disabled()
    with context.expect_page() as opened:
        page.get_by_role("link", name="Open").click()
    inside = opened.value
    expect(inside.get_by_role("tab", name="dimuon.ipynb")).to_be_visible(timeout=GUEST_MS)
    inside.close()

    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("suspended", exact=True)).to_be_visible(timeout=60_000)
    accessible(page, ".jupyter-widgets")
    shot(page, "widgets-voila-machine")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good?").click()
    expect(page.get_by_text("deleted", exact=True)).to_be_visible(timeout=60_000)
    page.close()


def look_at_the_entry(page: Page) -> None:
    """See in the list and on the entry's own page what is gone, and what is not."""
    open_logbook(page)
    entry = page.get_by_test_id("vml-entry")
    expect(entry.get_by_test_id("vml-entry-gone")).to_be_visible(timeout=60_000)
    entry.locator(".vml-Row-main").click()
    needs = page.locator(".vml-Head").get_by_test_id("vml-needs")
    expect(needs).to_have_attribute("data-state", "gone")
    gone = needs.locator("li.vml-mod-gone")
    expect(gone).to_have_count(1)
    expect(gone).to_contain_text(f"CernVM {GONE}")
    expect(gone.locator(".vml-Needs-state")).to_have_text("gone")
    expect(needs.locator("li").first).to_contain_text("µCernVM")
    accessible(page, ".vml-Page")
    shot(page, "entry-page-gone")


def restore_in_another(page: Page) -> None:
    """Find that it cannot be restored as it was, and choose another release."""
    page.get_by_role("button", name="Restore in a machine…").click()
    choice = page.get_by_test_id("vml-release")
    expect(choice.locator("option").first).to_have_text(f"CernVM {GONE}, as recorded, is gone")
    accept = page.locator(".jp-Dialog .jp-mod-accept")
    expect(accept).to_be_disabled()
    choice.select_option(value=CHOSEN)
    expect(page.get_by_test_id("vml-meaning")).to_contain_text(f"CernVM {CHOSEN} instead of {GONE}")
    shot(page, "restore-dialog-gone")
    accept.click()
