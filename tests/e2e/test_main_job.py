"""The main job by clicking: Snapshot, change a file, Restore, see the old notebook run in the recorded CernVM."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vml_jupyter.flows import entries, machines
from vml_jupyter.flows.settings import Settings

from .conftest import accessible, running_lab, shot
from .hostile import attack, command_lines, try_token
from .living import cancel, die, keep_and_go_back, kill_server, look_at_the_frame, try_again
from .steps import BOOT_MS, GUEST_MS, delete_machine, run_first_cell, start_restore, take_snapshot

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(900)]


def test_snapshot_and_restore_by_clicking(
    context: BrowserContext, environ: dict[str, str], machine_settings: Settings, dimuon: Path
) -> None:
    heading = first_heading(dimuon)
    options = ("--ServerApp.log_level=DEBUG", "--LabApp.expose_app_in_browser=True")
    with running_lab(dimuon, environ, "/", *options) as lab:
        page = context.new_page()
        page.goto(lab.page("lab/tree/dimuon.ipynb"))
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        take_snapshot(page, title="before the change", release="4.5.0.1")

        (dimuon / "dimuon.ipynb").write_text(
            (dimuon / "dimuon.ipynb").read_text().replace(heading, "Overwritten")
        )
        (dimuon / "dimuon.csv").write_text("changed since\n")
        page.reload()
        expect(page.get_by_role("heading", name="Overwritten")).to_be_visible()

        start_restore(page)
        cancel(page)
        start_restore(page)
        kill_server(page, lab)
    with running_lab(dimuon, environ, "/", *options, again=lab) as lab:
        try_again(page)
        inside = look_at_the_tab(page, context, heading)
        expect(inside.get_by_role("heading", name=heading)).to_be_visible(timeout=GUEST_MS)
        expect(inside.get_by_text("Overwritten")).to_have_count(0)
        run_first_cell(inside)
        # Not the first output: where a font cache is built for long, matplotlib says so before.
        expect(inside.locator(".jp-OutputArea-output", has_text="CernVM 4.5.0.1").first).to_be_visible(
            timeout=GUEST_MS
        )
        shot(inside, "notebook-in-machine")

        assert inside.url.split("/")[2] != page.url.split("/")[2], "the machine has an origin of its own"
        [machine] = machines.list_machines(machine_settings)
        attack(inside, page, context, lab, dimuon, machine.id)
        token = machines.machine_token(machine_settings, machine.id)
        try_token(token, lab)
        assert token not in command_lines()

        capture(inside, page, title="from inside the machine")
        taken = entries.list_entries(machine_settings)[0]
        assert (taken.title, taken.parent, taken.machine) == (
            "from inside the machine",
            machine.entry,
            machine.id,
        )
        look_at_the_frame(page, "dimuon.ipynb · CernVM 4.5.0.1")
        keep_and_go_back(page, "before the change")
        page.get_by_role("tab", name="dimuon.ipynb · CernVM 4.5.0.1").click()
        die(page, machine.id)
        delete_machine(page)
    assert token not in (dimuon.parent / "lab.log").read_text(errors="replace")
    assert machines.list_machines(machine_settings) == []


def first_heading(area: Path) -> str:
    found = re.search(r'"# ([^"\\]+)', (area / "dimuon.ipynb").read_text())
    assert found
    return found[1]


def look_at_the_tab(page: Page, context: BrowserContext, heading: str) -> Page:
    """See the notebook in a tab of JupyterLab that says where it runs, then take it into a tab of the browser."""
    banner = page.get_by_test_id("vml-banner")
    expect(banner).to_contain_text("Runs in CernVM 4.5.0.1", timeout=BOOT_MS)
    framed = page.frame_locator(".vml-Frame iframe")
    expect(framed.get_by_role("heading", name=heading)).to_be_visible(timeout=GUEST_MS)
    expect(framed.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=GUEST_MS)
    expect(page.get_by_test_id("vml-status")).to_have_text("CernVM 4.5.0.1")
    shot(page, "machine-in-tab")
    page.get_by_test_id("vml-machine").get_by_role("button", name="before the change", exact=True).click()
    expect(page.get_by_test_id("vml-console")).to_contain_text("CERN Virtual Machine")
    accessible(page, ".vml-MachinePage", "#vml-logbook")
    shot(page, "machine-page")
    page.get_by_role("tab", name="dimuon.ipynb · CernVM 4.5.0.1").click()
    with context.expect_page() as opened:
        banner.get_by_role("button", name="Open in a browser tab").click()
    return opened.value


def capture(inside: Page, page: Page, *, title: str) -> None:
    """Take a snapshot by the button in the machine's notebook, and see it arrive in the user's own logbook."""
    inside.bring_to_front()
    inside.get_by_test_id("vml-machine-snapshot").click()
    inside.locator(".jp-Dialog input").fill(title)
    inside.locator(".jp-Dialog .jp-mod-accept").click()
    expect(inside.get_by_text(f"“{title}” is in the logbook")).to_be_visible(timeout=GUEST_MS)
    shot(inside, "captured-in-machine")
    page.bring_to_front()
    expect(page.get_by_test_id("vml-entry").filter(has_text=title)).to_be_visible(timeout=60_000)
    shot(page, "captured-in-logbook")
