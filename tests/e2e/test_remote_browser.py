"""The main job where the browser is on another computer: the machine is reached through the server alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings

from .conftest import running_lab, shot
from .hostile import SHARED_BY_PROXY, attack
from .leaving import leave_and_return
from .steps import BOOT_MS, GUEST_MS, delete_machine, run_first_cell, start_restore, take_snapshot

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.mark.warm("4.5.1.0")
def test_a_remote_browser_reaches_the_machine_through_the_server(
    context: BrowserContext, environ: dict[str, str], machine_settings: Settings, dimuon: Path
) -> None:
    with running_lab(dimuon, environ, "/user/someone/", "--VmlExtension.machine_access=proxy") as lab:
        page = context.new_page()
        page.goto(lab.page("lab/tree/dimuon.ipynb"))
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        take_snapshot(page, title="for a hub", release="4.5.1.0")

        inside = restore(page, context)
        [machine] = machines.list_machines(machine_settings)
        assert inside.url.startswith(f"{lab.url}vml/machines/{machine.id}/")
        assert "token" not in inside.url
        run_first_cell(inside)
        expect(inside.locator(".jp-OutputArea-output", has_text="CernVM 4.5.1.0").first).to_be_visible(
            timeout=GUEST_MS
        )
        shot(inside, "notebook-through-proxy")
        attack(inside, page, context, lab, dimuon, machine.id, SHARED_BY_PROXY)
        notebook = inside.url
        inside.close()
        leave_and_return(context, notebook, lines=90, patience_ms=GUEST_MS)
        delete_machine(page)
    assert machines.list_machines(machine_settings) == []


def restore(page: Page, context: BrowserContext) -> Page:
    start_restore(page)
    with context.expect_page(timeout=BOOT_MS) as opened:
        pass
    shot(page, "machine-ready")
    return opened.value
