"""Two real machines: the VML VM, and the CernVM that its launcher starts on this computer, as a user does it all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from e2e.conftest import browser, context, open_logbook, shot
from e2e.plain import download_launcher
from playwright.sync_api import Browser, BrowserContext, Page, expect
from vml_vm import SATA, VmlVm, new_disk, running, until

from vml_jupyter import appliance
from vml_jupyter.flows.settings import load
from vml_jupyter.progress import SILENT
from vml_jupyter.release.mini import recipe

from .conftest import processes_naming
from .launcher_line import STAGES, Line
from .launcher_scene import Elsewhere, config_of, elsewhere, file_with, launcher_in, runs, stages
from .vml_vm_user import BOOT_S, PASSWORD, User

pytestmark = [pytest.mark.machine, pytest.mark.browser, pytest.mark.soak, pytest.mark.timeout(2400)]

__all__ = ["browser", "context"]  # fixtures

LAB_MS = 300_000  # JupyterLab's scripts come from an emulated machine
LIVE = {"fetch", "start", "ready", "running", "suspended", "removed"}
"""What lasts long enough to be seen while it is so, or is waited for."""
SHOWN = [
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
RELEASE = recipe.SYSTEMS[1].version
TITLE = "Z mass <b>first</b> fit"


@pytest.fixture(scope="session")
def image() -> Path:
    """The image of the VML VM with this code in it, built once and kept in the user's data folder."""
    return appliance.build(load().data, SILENT)


@pytest.fixture(scope="module")
def booted(
    image: Path, browser: Browser, release_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VmlVm]:
    """A VML VM after its first boot, with a password."""
    folder = tmp_path_factory.mktemp("vml-vm")
    data = new_disk(folder / "data.qcow2", "20G")
    system = new_disk(folder / "system.qcow2", "", backing=image)
    # What 127.0.0.1 is here, the machine reaches by this name of QEMU's.
    mirror = release_url.replace("127.0.0.1", "10.0.2.2")
    with running(system, data, folder / "console.log", f"VML_RELEASE_URLS={mirror}") as vm:
        set_password(vm, browser)
        yield vm


@pytest.fixture
def vm(booted: VmlVm) -> VmlVm:
    """The VML VM; on, whatever the test before did with its plug."""
    if not booted.process:
        booted.on()
    until(booted.answers, BOOT_S, "the page of the VML VM")
    return booted


@pytest.fixture
def user(vm: VmlVm) -> User:
    return User(vm)


@pytest.fixture
def entry(user: User, request: pytest.FixtureRequest) -> str:
    """An entry of the VML VM's logbook, with a working area of its own."""
    return user.snapshot(request.node.name, RELEASE, TITLE)


def test_the_download_is_small(image: Path) -> None:
    told, name = image.with_name(f"{image.name}.sha256").read_text().split()
    assert (told, name) == (hashlib.sha256(image.read_bytes()).hexdigest(), image.name)
    assert image.stat().st_size <= 400_000_000


def test_an_entry_comes_up_on_the_host(
    vm: VmlVm, user: User, entry: str, context: BrowserContext, tmp_path: Path
) -> None:
    """By browser, and nothing of the release is on the host."""
    page = logged_in(vm, context)
    page.goto(f"{vm.url}vml/")
    script = download_launcher(page, entry, TITLE, "first fit")
    lab = watching_lab(vm, context)
    with elsewhere(tmp_path / "home", script, f"vml-launch-{entry}.py") as there:
        assert "Downloading the image" in there.run()
        works(user, there, entry)
        there.run("suspend")
        expect(lab.get_by_test_id("vml-launch")).to_have_attribute("data-state", "suspended", timeout=60_000)
        there.run()
        page.goto(f"{vm.url}vml/")
        expect(page.get_by_role("cell", name="running", exact=True)).to_be_visible()
        shot(page, "plain-page-with-machine")
        stages_in_lab(lab)
        leaves_nothing(user, there)
        expect(lab.get_by_test_id("vml-launch")).to_have_attribute("data-state", "removed", timeout=60_000)
        assert set(lab.evaluate("window.seen")) >= LIVE


def test_by_command_line_with_the_release_on_the_host(
    user: User, entry: str, mini_repository: Path, tmp_path: Path
) -> None:
    """Made in a terminal of the VML VM; the image lies where a browser puts what it downloads."""
    user.types(f"vml launcher {entry} -o ~/notebooks/launch.py --server {user.vm.url}")
    script = user.download("launch.py", tmp_path).read_bytes()
    with elsewhere(tmp_path / "home", script, "launch.py") as there:
        there.downloads.mkdir()
        image = file_with(config_of(script)["image"]["sha256"], mini_repository)
        shutil.copy(image, there.downloads / "some.file")
        assert f"The image is here: {there.downloads / 'some.file'}" in there.run()
        (launch,) = user.launches()
        assert stages(launch) == ["image", "start", "ready", "running"]
        works(user, there, entry)
        leaves_nothing(user, there, there.downloads / "some.file")


def test_offline_from_a_bundle(user: User, entry: str, tmp_path: Path) -> None:
    """Exported in a terminal of the VML VM, downloaded, and started when there is no VML VM any more."""
    user.types(f"vml export {entry} -o ~/notebooks/dimuon.vml --with-release")
    bundle = user.download("dimuon.vml", tmp_path)
    user.vm.off()
    with elsewhere(tmp_path / "home", launcher_in(bundle), "launch.py") as there:
        assert "Downloading" not in there.run("--offline", str(bundle))
        runs(there)
        there.run("remove")
        assert there.files() == [there.script]


def test_its_plug_is_pulled(user: User, entry: str, tmp_path: Path) -> None:
    """In the middle of each stage, and once more while the machine runs: the launcher waits, says so, and goes on."""
    vm = user.vm

    def pulled(_: str) -> bool:
        vm.off()
        vm.on()
        return True  # the answer in hand is lost

    with Line(vm.port, STAGES) as line:
        user.types(f"vml launcher {entry} -o ~/notebooks/pulled.py --server {line.url}")
        script = user.download("pulled.py", tmp_path).read_bytes()
        line.happens = pulled
        with elsewhere(tmp_path / "home", script, "pulled.py") as there:
            said = there.run()
            assert line.happened == ["pair", "context", "fetch", "ready"]
            assert said.count("does not answer") >= 4
            assert said.count("answers again") >= 4
            pulled("while the machine runs")
            runs(there)
            there.write("large.txt", "x" * 3_000_000)
            assert "answers again" in there.run("capture")
            assert line.happened[-1] == "capture"
            again = User(vm)
            (taken,) = (each for each in again.entries().values() if each["parent"] == entry)
            assert taken["new_bytes"] > 0
            assert stages(again.launches()[0])[-1] == "captured"
            leaves_nothing(again, there)


def test_a_new_version_keeps_the_data(vm: VmlVm, entry: str, image: Path, tmp_path: Path) -> None:
    """A fresh system starts with the disk of the former one, on the devices that VirtualBox has."""
    vm.off()
    system = new_disk(tmp_path / "next.qcow2", "", backing=image)
    with running(system, vm.data, tmp_path / "next.log", disks=SATA, card="e1000") as next_one:
        until(next_one.answers, BOOT_S, "the page of the VML VM")
        until(lambda: "Log in with your password" in next_one.said(), 60.0, "the console's greeting")
        assert next_one.token() == ""
        assert "Z mass &lt;b&gt;first&lt;/b&gt; fit" in User(next_one).page(f"vml/entries/{entry}")


def set_password(vm: VmlVm, browser: Browser) -> None:
    """Read the token on the console, and set a password on the page that Jupyter shows first."""
    until(vm.answers, BOOT_S, "the page of the VML VM")
    token = str(until(vm.token, 60.0, "the token on the console"))
    until(lambda: "/dev/vdb was made the data disk" in vm.said(), 60.0, "what became of the new disk")
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(LAB_MS)
        page.goto(f"{vm.url}vml/")
        assert urlsplit(page.url).path == "/login"
        shot(page, "first-boot-page")
        page.locator("#token_input").fill(token)
        page.locator("#new_password_input").fill(PASSWORD)
        page.locator("#login_new_pass_submit").click()
        expect(page.get_by_role("heading", name="Logbook")).to_be_visible()
        expect(page.get_by_text("The logbook is empty")).to_be_visible()


def logged_in(vm: VmlVm, context: BrowserContext) -> Page:
    """Log in with the password."""
    page = context.new_page()
    page.goto(f"{vm.url}vml/")
    assert urlsplit(page.url).path == "/login"
    expect(page.locator("#token_input")).to_have_count(0)
    page.locator("#password_input").fill(PASSWORD)
    page.locator("#login_submit").click()
    expect(page.get_by_role("heading", name="Logbook")).to_be_visible()
    return page


def watching_lab(vm: VmlVm, context: BrowserContext) -> Page:
    """Open the logbook in the VML VM's own JupyterLab, and note all that it shows of machines from now on."""
    lab = context.new_page()
    lab.set_default_timeout(LAB_MS)
    lab.goto(f"{vm.url}lab")
    lab.locator(".jp-SideBar [data-id='vml-logbook']").wait_for()
    open_logbook(lab)
    expect(lab.get_by_test_id("vml-entry").first).to_be_visible(timeout=LAB_MS)
    expect(lab.get_by_text("Jupyter news")).to_have_count(0)
    lab.evaluate(WATCH)
    return lab


def stages_in_lab(lab: Page) -> None:
    """Read the list of stages below the machine in the panel."""
    item = lab.get_by_test_id("vml-launch")
    item.locator("summary").click()
    shot(lab, "vml-vm-lab-stages")
    shown = [stage.get_attribute("data-stage") for stage in item.locator("[data-stage]").all()]
    assert [stage for stage in SHOWN if stage not in shown] == []


def works(user: User, there: Elsewhere, entry: str) -> None:
    """Run the notebook in the machine that came up, and take what changed there into the VML VM's logbook."""
    inside = there.execute("dimuon.ipynb")
    assert f"CernVM {RELEASE}" in json.dumps(inside.cells)
    there.write("fitted.txt", "91.2")
    there.run("capture")
    (taken,) = (each for each in user.entries().values() if each["parent"] == entry)
    assert taken["new_bytes"] > 0


def leaves_nothing(user: User, there: Elsewhere, *kept: Path) -> None:
    """Remove the machine; only what was there before it is there then."""
    folder = there.folder
    there.run("remove")
    assert there.files() == sorted([there.script, *kept])
    assert processes_naming(folder) == []
    assert user.launches() == []
