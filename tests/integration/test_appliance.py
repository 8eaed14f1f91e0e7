"""Two real machines: the VML VM, and the CernVM that its launcher starts on this computer, as a user does it all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from e2e.conftest import browser, context, open_logbook, shot
from e2e.plain import download_launcher
from playwright.sync_api import BrowserContext, Page, expect
from vml_vm import SATA, VmlVm, new_disk, running, until

from vml_jupyter import appliance
from vml_jupyter.flows.settings import load
from vml_jupyter.progress import SILENT
from vml_jupyter.release.mini import recipe

from .conftest import processes_naming
from .launcher_scene import Elsewhere, elsewhere

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.soak]

__all__ = ["browser", "context"]  # fixtures

BOOT_S = 300.0
LAB_MS = 300_000  # JupyterLab's scripts come from an emulated machine
LIVE = {"fetch", "start", "ready", "running", "suspended", "removed"}
"""What lasts long enough to be seen while it is so, or is waited for."""
STAGES = [
    "image",
    "fetch",
    "start",
    "ready",
    "running",
    "capture",
    "captured",
    "suspend",
    "suspended",
]
# What the panel shows, moment by moment: whoever looked at it would have seen this.
WATCH = """() => {
  window.seen = [];
  const look = () => document.querySelectorAll('[data-testid="vml-launch"]').forEach(
    item => item.dataset.state === window.seen.at(-1) || window.seen.push(item.dataset.state));
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
}"""
PASSWORD = "correct horse battery"
RELEASE = recipe.SYSTEMS[1].version
TITLE = "Z mass <b>first</b> fit"


@pytest.fixture(scope="session")
def image() -> Path:
    """The image of the VML VM with this code in it, built once and kept in the user's data folder."""
    return appliance.build(load().data, SILENT)


def test_the_download_is_small(image: Path) -> None:
    told, name = image.with_name(f"{image.name}.sha256").read_text().split()
    assert (told, name) == (hashlib.sha256(image.read_bytes()).hexdigest(), image.name)
    assert image.stat().st_size <= 400_000_000


@pytest.mark.timeout(1800)
def test_an_entry_comes_up_on_the_host(
    image: Path, context: BrowserContext, release_url: str, dimuon: Path, tmp_path: Path
) -> None:
    data = new_disk(tmp_path / "data.qcow2", "20G")
    system = new_disk(tmp_path / "system.qcow2", "", backing=image)
    # What 127.0.0.1 is here, the machine reaches by this name of QEMU's.
    mirror = release_url.replace("127.0.0.1", "10.0.2.2")
    with running(system, data, tmp_path / "console.log", f"VML_RELEASE_URLS={mirror}") as vm:
        page = context.new_page()
        token = set_password(vm, page)
        entry = snapshot(vm, token, dimuon)
        page.reload()
        script = download_launcher(page, entry, TITLE, "first fit")
        lab = watching_lab(vm, context)
        with elsewhere(tmp_path / "home", script, f"vml-launch-{entry}.py") as there:
            use(vm, token, there, page, lab, entry)
            stages_in_lab(lab)
            folder = there.folder
            there.run("remove")
            expect(lab.get_by_test_id("vml-launch")).to_have_attribute(
                "data-state", "removed", timeout=60_000
            )
            assert set(lab.evaluate("window.seen")) >= LIVE
            assert there.files() == [there.script]
            assert processes_naming(folder) == []
            assert ask(vm, token, "GET", "vml/api/launches")["launches"] == []
    a_new_version_keeps_the_data(image, data, entry, tmp_path)


def use(vm: VmlVm, token: str, there: Elsewhere, page: Page, lab: Page, entry: str) -> None:
    """Do with the machine what users do, until it is removed."""
    assert "Downloading the image" in there.run()
    execute(there)
    capture(vm, token, there, entry)
    there.run("suspend")
    expect(lab.get_by_test_id("vml-launch")).to_have_attribute("data-state", "suspended", timeout=60_000)
    there.run()
    page.goto(f"{vm.url}vml/")
    expect(page.get_by_role("cell", name="running", exact=True)).to_be_visible()
    shot(page, "plain-page-with-machine")


def set_password(vm: VmlVm, page: Page) -> str:
    """Read the token on the console, and set a password on the page that Jupyter shows first; return the token."""
    until(vm.answers, BOOT_S, "the page of the VML VM")
    token = str(until(vm.token, 60.0, "the token on the console"))
    until(lambda: "/dev/vdb was made the data disk" in vm.said(), 60.0, "what became of the new disk")
    page.goto(f"{vm.url}vml/")
    assert urlsplit(page.url).path == "/login"
    shot(page, "first-boot-page")
    page.locator("#token_input").fill(token)
    page.locator("#new_password_input").fill(PASSWORD)
    page.locator("#login_new_pass_submit").click()
    expect(page.get_by_role("heading", name="Logbook")).to_be_visible()
    expect(page.get_by_text("The logbook is empty")).to_be_visible()
    return token


def ask(vm: VmlVm, token: str, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(
        method, vm.url + path, json=body, headers={"Authorization": f"token {token}"}, timeout=120
    )
    assert answer.ok, answer.text
    return answer.json()


def snapshot(vm: VmlVm, token: str, area: Path) -> str:
    """Upload a working area into the VML VM, and take a snapshot of it there; return the entry."""
    ask(vm, token, "PUT", "api/contents/dimuon", {"type": "directory"})
    for file in area.iterdir():
        body = {"type": "file", "format": "text", "content": file.read_text()}
        ask(vm, token, "PUT", f"api/contents/dimuon/{file.name}", body)
    asked = {"path": "dimuon/dimuon.ipynb", "title": TITLE, "release": RELEASE}
    job = ask(vm, token, "POST", "vml/api/snapshots", asked)["job"]["id"]
    return str(done(vm, token, job)["entry"])


def done(vm: VmlVm, token: str, job: str) -> dict[str, Any]:
    def ended() -> Any:
        found = ask(vm, token, "GET", f"vml/api/jobs/{job}")["job"]
        return found if found["state"] not in ("queued", "running") else None

    found = until(ended, 240.0, f"job {job}")
    assert found["state"] == "done", found["error"]
    return dict(found["result"])


def watching_lab(vm: VmlVm, context: BrowserContext) -> Page:
    """Open the logbook in the VML VM's own JupyterLab, and note all that it shows of machines from now on."""
    lab = context.new_page()
    lab.set_default_timeout(LAB_MS)
    lab.goto(f"{vm.url}lab")
    lab.locator(".jp-SideBar [data-id='vml-logbook']").wait_for()
    open_logbook(lab)
    expect(lab.get_by_test_id("vml-entry")).to_have_count(1, timeout=LAB_MS)
    lab.evaluate(WATCH)
    return lab


def stages_in_lab(lab: Page) -> None:
    """Read the list of stages below the machine in the panel."""
    item = lab.get_by_test_id("vml-launch")
    item.locator("summary").click()
    shot(lab, "vml-vm-lab-stages")
    shown = [stage.get_attribute("data-stage") for stage in item.locator("[data-stage]").all()]
    assert [stage for stage in STAGES if stage not in shown] == []


def execute(there: Elsewhere) -> None:
    """Run the notebook in the machine that came up, and write what came of it into the working area."""
    inside = there.execute("dimuon.ipynb")
    said = json.dumps(inside.cells)
    assert f"CernVM {RELEASE}" in said
    there.write("fitted.txt", "91.2")


def capture(vm: VmlVm, token: str, there: Elsewhere, entry: str) -> None:
    """Take what changed in the machine into the logbook of the VML VM."""
    there.run("capture")
    entries = ask(vm, token, "GET", "vml/api/entries")["entries"]
    (taken,) = (each for each in entries if each["id"] != entry)
    assert taken["parent"] == entry
    assert taken["new_bytes"] > 0


def a_new_version_keeps_the_data(image: Path, data: Path, entry: str, folder: Path) -> None:
    """Start a fresh system with the disk of the former one, on the devices that VirtualBox has."""
    system = new_disk(folder / "next.qcow2", "", backing=image)
    with running(system, data, folder / "next.log", disks=SATA, card="e1000") as vm:
        until(vm.answers, BOOT_S, "the page of the VML VM")
        until(lambda: "Log in with your password" in vm.said(), 60.0, "the console's greeting")
        assert vm.token() == ""
        with requests.Session() as session:
            session.get(f"{vm.url}login", timeout=60)
            form = {"password": PASSWORD, "_xsrf": session.cookies["_xsrf"]}
            assert session.post(f"{vm.url}login", data=form, timeout=60).ok
            # It is the first to open the logbook.
            page = session.get(f"{vm.url}vml/entries/{entry}", timeout=BOOT_S)
            assert page.ok
            assert "Z mass &lt;b&gt;first&lt;/b&gt; fit" in page.text
