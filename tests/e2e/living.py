"""What is done with a machine that runs, by clicking: interrupted, kept, taken back, put to rest, and found dead."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .conftest import Lab, in_all_looks, shot

MACHINE_MS = 120_000
BY_ITSELF_MS = 90_000


def cancel(page: Page) -> None:
    """Cancel a restore that has begun, and see that nothing of it is left."""
    job = page.get_by_test_id("vml-job")
    expect(job.get_by_test_id("vml-job-stage")).to_be_visible()
    job.get_by_test_id("vml-job-end").click()
    expect(page.get_by_text(": cancelled")).to_be_visible(timeout=MACHINE_MS)
    expect(job).to_have_count(0)
    expect(page.get_by_test_id("vml-machine")).to_have_count(0, timeout=BY_ITSELF_MS)


def kill_server(page: Page, lab: Lab) -> None:
    """Kill the server in the middle of a restore, and see that the page knows."""
    stage = page.get_by_test_id("vml-job").get_by_test_id("vml-job-stage")
    expect(stage).to_contain_text("Waiting for CernVM", timeout=MACHINE_MS)
    os.kill(lab.pid, signal.SIGKILL)
    expect(page.get_by_test_id("vml-lost")).to_be_visible(timeout=BY_ITSELF_MS)
    shot(page, "restore-without-server")


def try_again(page: Page) -> None:
    """See, once a server is there again, what became of the restore: delete what is left of it, and begin it anew."""
    expect(page.get_by_test_id("vml-lost")).to_have_count(0, timeout=BY_ITSELF_MS)
    job = page.get_by_test_id("vml-job").filter(has_text="ended while this was under way")
    expect(job).to_be_visible(timeout=BY_ITSELF_MS)
    dialogs = page.locator(".jp-Dialog")  # JupyterLab's own, on the lost connection
    for _ in range(dialogs.count()):
        dialogs.last.get_by_role("button").last.click()
    shot(page, "restore-interrupted")
    left = page.get_by_test_id("vml-machine")  # the machine came up without its server
    expect(left).to_have_count(1, timeout=BY_ITSELF_MS)
    left.get_by_test_id("vml-machine-menu").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(left).to_have_count(0, timeout=MACHINE_MS)
    job.get_by_test_id("vml-job-retry").click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    job.get_by_test_id("vml-job-end").click()
    expect(job).to_have_count(0)


def keep_and_go_back(page: Page, title: str) -> None:
    """Take two standard snapshots, revert to the first, and delete the second; suspend the machine and resume it."""
    page.bring_to_front()
    page.get_by_test_id("vml-machine").get_by_role("button", name=title, exact=True).click()
    shown = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-MachinePage")
    for name in ("before-fit", "after-fit"):
        shown.get_by_test_id("vml-standard-name").fill(name)
        shown.get_by_test_id("vml-standard-take").click()
        expect(snapshot(shown, name)).to_be_visible(timeout=MACHINE_MS)
    grown = snapshot(shown, "before-fit").locator("[data-name='after-fit']")
    expect(grown).to_be_visible()
    expect(grown).to_have_attribute("aria-current", "true")
    in_all_looks(page, "look-machine", ".vml-MachinePage", "#vml-logbook")

    act(page, shown.get_by_role("button", name="Revert to “before-fit”"), "Revert")
    expect(snapshot(shown, "before-fit")).to_have_attribute("aria-current", "true", timeout=MACHINE_MS)
    expect(shown.locator(".vml-State")).to_have_text("running", timeout=MACHINE_MS, ignore_case=True)
    act(page, shown.get_by_role("button", name="Delete “after-fit”"), "Delete")
    expect(snapshot(shown, "after-fit")).to_have_count(0, timeout=MACHINE_MS)
    expect(snapshot(shown, "before-fit")).to_be_visible()

    machine = page.get_by_test_id("vml-machine")
    machine.get_by_test_id("vml-machine-suspend").click()
    expect(machine).to_have_attribute("data-state", "suspended", timeout=MACHINE_MS)
    shot(page, "machine-suspended")
    machine.get_by_test_id("vml-machine-resume").click()
    expect(machine).to_have_attribute("data-state", "running", timeout=MACHINE_MS)


def look_at_the_frame(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()
    in_all_looks(page, "look-machine-tab", ".vml-Banner")


def die(page: Page, machine: str) -> None:
    """Kill the hypervisor's process, and see that panel and banner say so by themselves."""
    page.bring_to_front()
    for pid in qemu_of(machine):
        os.kill(pid, signal.SIGKILL)
    expect(page.get_by_test_id("vml-machine")).to_have_attribute(
        "data-state", "stopped", timeout=BY_ITSELF_MS
    )
    banner = page.get_by_test_id("vml-banner")
    expect(banner).to_contain_text("stopped")
    expect(banner.get_by_role("button", name="Start")).to_be_visible()
    shot(page, "machine-died")


def snapshot(shown: Locator, name: str) -> Locator:
    return shown.locator(f"[data-testid='vml-standard'][data-name='{name}']")


def act(page: Page, button: Locator, agree: str) -> None:
    button.click()
    page.locator(".jp-Dialog").get_by_role("button", name=agree).click()


def qemu_of(machine: str) -> list[int]:
    """Return the processes of QEMU that run a machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if b"qemu-system" in words[0] and any(machine.encode() in word for word in words):
            found.append(int(file.parent.name))
    assert found, f"no QEMU runs {machine}"
    return found
