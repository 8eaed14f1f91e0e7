"""Every panel, page and dialog in dark and light, narrow and wide, before axe-core; and a whole job by keyboard alone.

The pictures are in ``artefacts/look-*.png``. Those of a machine's page and tab are taken where one runs, in ``living``.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from vml_jupyter.flows.beside import restore_keeping
from vml_jupyter.flows.bin import forget
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.export import export
from vml_jupyter.flows.importing import import_file
from vml_jupyter.flows.settings import Settings

from .conftest import Lab, accessible, in_all_looks, open_logbook, run_command, running_lab, shot
from .test_entries import HOSTILE_HTML, png, write_notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

OPTIONS = ("--LabApp.expose_app_in_browser=True",)
KEY = 'api_key = "AKIAIOSFODNN7EXAMPLQ"\n'


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "root" / "fits"
    (area / "src").mkdir(parents=True)
    write_notebook(area / "higgs.ipynb", mass=125.1, shade=90)
    (area / "plot.png").write_bytes(png(160))
    (area / "src" / "fit.py").write_text("def fit(x):\n    return 2 * x + 1\n")
    (area / "page.html").write_text(HOSTILE_HTML)
    return area


@pytest.fixture
def machine_area(machine_settings: Settings, area: Path, tmp_path: Path) -> Path:
    """The working area after a history: a branch, an automatic entry, one from elsewhere, one of restic's, the bin."""
    settings = machine_settings
    first = capture(
        settings,
        area,
        notebook="higgs.ipynb",
        title="Higgs fit",
        note="First **good** fit, see $m_H$.\n\n- from the calibrated sample\n- blinded",
        tags=("blessed", "thesis"),
        project="Higgs to four leptons",
        release="4.5.0.1",
    )
    (area / "src" / "fit.py").write_text("def fit(x):\n    return 3 * x + 1\n")
    capture(settings, area, notebook="higgs.ipynb", title="Higgs fit, another slope", release="4.5.1.0")
    restore_keeping(settings, first.id, area)
    write_notebook(area / "higgs.ipynb", mass=125.3, shade=200)
    (area / "events.csv").write_text("".join(f"{n},{n * n % 97}\n" for n in range(400)))
    capture(settings, area, notebook="higgs.ipynb", automatic=True)
    (area / "login.py").write_text(KEY)
    capture(
        settings,
        area,
        notebook="higgs.ipynb",
        title="A title that is much longer than the side bar is wide, as titles are",
    )
    forget(settings, [capture(settings, area, title="taken by mistake").id])

    colleague = settings.using(data=tmp_path / "colleague").using(
        logbook=str(tmp_path / "colleague" / "logbook")
    )
    theirs = capture(colleague, area, notebook="higgs.ipynb", title="Fit of a colleague")
    export(colleague, [theirs.id], tmp_path / "theirs.vml", allow_secrets=True)
    import_file(settings, tmp_path / "theirs.vml")
    backed_up = {**os.environ, "RESTIC_PASSWORD": settings.password() or "", "HOME": str(tmp_path)}
    command = ["restic", "--no-cache", "-q", "-r", settings.logbook, "backup", str(area / "src")]
    subprocess.run(command, env=backed_up, check=True)
    return area


@pytest.fixture
def lab(machine_area: Path, environ: dict[str, str]) -> Iterator[Lab]:
    with running_lab(machine_area.parent, environ, "/", *OPTIONS) as lab:
        yield lab


def test_how_all_of_it_looks(context: BrowserContext, lab: Lab, machine_settings: Settings) -> None:
    page = context.new_page()
    page.goto(lab.page("lab/tree/fits/higgs.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    dismiss_news(page)
    open_logbook(page)
    expect(page.get_by_test_id("vml-entry")).to_have_count(6)
    look_at_the_panel(page)
    look_at_the_dialogs(page, machine_settings)
    look_at_a_page(page)
    look_at_what_restic_wrote(page)
    look_at_the_doctor(page)
    look_at_the_settings(page, machine_settings)
    assert page.evaluate("window.hacked") is None


def look_at_the_panel(page: Page) -> None:
    in_all_looks(page, "look-panel", "#vml-logbook")
    page.get_by_role("button", name="Filter by notebook").click()
    page.get_by_test_id("vml-filter-tag").select_option("blessed")
    expect(page.get_by_test_id("vml-entry")).to_have_count(1)
    in_all_looks(page, "look-filters", "#vml-logbook")
    page.get_by_role("button", name="Show all").click()
    page.get_by_role("button", name="Filter by notebook").click()
    foreign = page.get_by_test_id("vml-entry").filter(has_text="Fit of a colleague")
    expect(foreign.get_by_test_id("vml-foreign")).to_be_visible()
    page.get_by_role("button", name="Show the bin").click()
    expect(page.get_by_test_id("vml-bin-entry")).to_have_count(1)
    in_all_looks(page, "look-bin", "#vml-logbook")
    page.get_by_role("button", name="Show the entries").click()


def look_at_the_dialogs(page: Page, settings: Settings) -> None:
    page.locator(".jp-NotebookPanel-toolbar [data-command='vml:snapshot']").click()
    expect(page.get_by_test_id("vml-leave-out")).to_be_visible()
    expect(page.get_by_test_id("vml-preview-files")).to_be_visible()
    in_all_looks(page, "look-snapshot", ".jp-Dialog")
    close_dialog(page)

    entry = row(page, "Higgs fit")
    entry.get_by_test_id("vml-restore").click()
    expect(page.get_by_test_id("vml-restore-memory")).to_be_visible()
    expect(page.locator(".jp-Dialog .vml-Needs")).to_be_visible()
    in_all_looks(page, "look-restore", ".jp-Dialog")
    close_dialog(page)

    choose(page, entry, "Restore Files to a Folder…")
    expect(page.get_by_test_id("vml-restore-to")).to_be_visible()
    in_all_looks(page, "look-restore-files", ".jp-Dialog")
    close_dialog(page)

    risky = row(page, "A title that is much longer")
    choose(page, risky, "Export…")
    expect(page.get_by_test_id("vml-export-secrets")).to_contain_text("login.py")
    expect(page.locator(".jp-Dialog .jp-mod-accept")).to_be_disabled()
    in_all_looks(page, "look-export", ".jp-Dialog")
    page.get_by_test_id("vml-export-to").fill("fits/../fits/risky.vml")
    page.get_by_test_id("vml-export-leave_out").check()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.locator(".jp-Dialog .vml-Failure")).to_contain_text("nothing can be written")
    page.get_by_test_id("vml-export-to").fill("risky.vml")
    page.locator(".jp-Dialog .jp-mod-accept").click()
    expect(page.get_by_text("One file was left out: login.py")).to_be_visible(timeout=60_000)
    shot(page, "look-exported")
    hide_toasts(page)
    other = settings.using(data=settings.data.parent / "taken").using(
        logbook=str(settings.data.parent / "taken-in")
    )
    [taken] = import_file(other, settings.data.parent / "root" / "risky.vml").entries
    assert taken.files == 5


def look_at_a_page(page: Page) -> None:
    row(page, "Higgs fit").locator(".vml-Row-main").click()
    shown = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-Page")
    expect(shown.get_by_test_id("vml-notebook").locator("img").first).to_be_visible()
    in_all_looks(page, "look-entry", ".vml-Page")
    shown.get_by_test_id("vml-tab-environment").click()
    expect(shown.get_by_test_id("vml-environment")).to_contain_text("CernVM 4.5.0.1 (chosen)")
    in_all_looks(page, "look-environment", ".vml-Page")
    row(page, "another slope").get_by_test_id("vml-entry-menu").click()
    page.get_by_role("menuitem", name="Show Changes").click()
    changes = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-Page").get_by_test_id("vml-changes")
    changes.get_by_role("button", name="fit.py").click()
    expect(changes.get_by_test_id("vml-diff").locator("mark").first).to_be_visible()
    in_all_looks(page, "look-changes", ".vml-Page")
    shown = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-Page")
    shown.get_by_test_id("vml-compare-with").select_option("now")
    expect(changes.get_by_role("button", name="login.py")).to_be_visible()
    other = row(page, "A title that is much longer").get_attribute("data-entry-id")
    shown.get_by_test_id("vml-compare-with").select_option(other)
    expect(changes.get_by_role("button", name="events.csv")).to_be_visible()


def look_at_what_restic_wrote(page: Page) -> None:
    page.get_by_role("button", name="List what other programs backed up, too").click()
    expect(page.get_by_test_id("vml-entry")).to_have_count(7)
    theirs = page.get_by_test_id("vml-entry").filter(has=page.get_by_test_id("vml-writer"))
    expect(theirs).to_have_count(1)
    theirs.locator(".vml-Row-main").click()
    shown = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-Page")
    expect(shown.get_by_test_id("vml-tree")).to_contain_text("fit.py")
    expect(shown.get_by_role("button", name="Forget")).to_have_count(0)
    expect(shown.get_by_test_id("vml-Note-edit")).to_have_count(0)
    in_all_looks(page, "look-restic", ".vml-Page", "#vml-logbook")
    page.get_by_role("button", name="List entries only").click()
    expect(page.get_by_test_id("vml-entry")).to_have_count(6)


def look_at_the_doctor(page: Page) -> None:
    page.evaluate("void window.jupyterapp.commands.execute('vml:doctor')")
    expect(page.get_by_test_id("vml-doctor").locator("tr").first).to_be_visible(timeout=90_000)
    in_all_looks(page, "look-doctor", ".jp-Dialog")
    close_dialog(page)


def look_at_the_settings(page: Page, settings: Settings) -> None:
    run_command(page, "vml:settings", {})
    memory = page.locator("[data-testid='vml-setting'][data-name='shape.memory_mib']")
    memory.get_by_role("textbox").fill("much")
    memory.get_by_role("button", name="Save").click()
    expect(memory.locator(".vml-Failure")).to_contain_text("MiB")
    memory.get_by_role("textbox").fill("3072")
    page.keyboard.press("Enter")
    expect(memory).to_have_attribute("data-origin", "file")
    in_all_looks(page, "look-settings", ".vml-SettingsPage")
    assert "3072" in (settings.config / "config.json").read_text()
    memory.get_by_role("button", name="Reset").click()
    expect(memory).to_have_attribute("data-origin", "default")


def test_an_empty_logbook_offers_the_example(
    context: BrowserContext, tmp_path: Path, environ: dict[str, str], machine_settings: Settings
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    broken = {**environ, "VML_LIBVIRT_URI": "test:///nowhere/at/all"}
    with running_lab(root, broken, "/", *OPTIONS) as lab:
        page = context.new_page()
        page.goto(lab.page())
        open_logbook(page)
        dismiss_news(page)
        expect(page.get_by_test_id("vml-empty")).to_be_visible()
        in_all_looks(page, "look-empty", "#vml-logbook")
        page.get_by_test_id("vml-can-run").click()
        expect(page.get_by_test_id("vml-doctor").locator("tr").first).to_have_attribute(
            "data-verdict", "missing", timeout=90_000
        )
        shot(page, "look-doctor-missing")
        close_dialog(page)
        page.get_by_test_id("vml-example").click()
        expect(page.get_by_role("tab", name="dimuon.ipynb")).to_be_visible(timeout=60_000)
        page.locator(".jp-NotebookPanel-toolbar [data-command='vml:snapshot']").click(modifiers=["Alt"])
        expect(page.get_by_test_id("vml-entry")).to_have_count(1, timeout=60_000)
    [entry] = list_entries(machine_settings)
    assert (entry.notebook, entry.files) == ("dimuon.ipynb", 2)


def test_the_whole_job_by_keyboard(context: BrowserContext, lab: Lab, machine_settings: Settings) -> None:
    page = context.new_page()
    page.goto(lab.page("lab/tree/fits/higgs.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    run_command(page, "notebook:enter-command-mode", {})
    press = page.keyboard.press

    press("ArrowDown")
    press("Enter")
    page.keyboard.type("# by keyboard")
    press("Control+Shift+Enter")
    expect(page.get_by_test_id("vml-title")).to_be_focused()
    press("Control+a")
    page.keyboard.type("By keyboard alone")
    press("Enter")
    expect(page.get_by_text("“By keyboard alone” is in the logbook")).to_be_visible()

    press("Control+Shift+c")
    page.keyboard.type("logbook")
    command(page, "Logbook")
    expect(page.get_by_test_id("vml-search")).to_be_focused()
    page.keyboard.type("keyboard alone")
    expect(page.get_by_test_id("vml-entry")).to_have_count(1)
    title = page.get_by_role("button", name="By keyboard alone", exact=True)
    tab_to(page, title)
    press("Shift+F10")
    expect(page.get_by_role("menu")).to_be_visible()
    press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(title).to_be_focused()
    press("Enter")
    files = page.get_by_test_id("vml-tab-files")
    expect(files).to_be_visible()
    tab_to(page, files)
    press("ArrowRight")
    changes = page.get_by_test_id("vml-changes")
    expect(changes.get_by_test_id("vml-change")).to_have_count(1)
    shot(page, "keyboard-compare")
    restore = page.locator(".vml-Head-actions [data-command='vml:restore']")
    tab_to(page, restore, back=True)
    press("Enter")
    expect(page.get_by_test_id("vml-restore-memory")).to_be_visible()
    tab_to(page, page.get_by_test_id("vml-release"))
    accessible(page, ".jp-Dialog")
    shot(page, "keyboard-restore")
    press("Escape")
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    assert list_entries(machine_settings)[0].title == "By keyboard alone"


def command(page: Page, label: str) -> None:
    """Run what the command palette found."""
    expect(page.locator(".lm-CommandPalette-item.lm-mod-active")).to_contain_text(label)
    page.keyboard.press("Enter")


def tab_to(page: Page, wanted: Locator, *, back: bool = False) -> None:
    """Press Tab until something has the focus, as somebody without a mouse does."""
    for _ in range(60):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"{wanted} is not reached by the keyboard")


def close_dialog(page: Page) -> None:
    page.locator(".jp-Dialog").get_by_role("button", name=re.compile("^(Cancel|Close)$")).click()
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def row(page: Page, title: str) -> Locator:
    return page.get_by_test_id("vml-entry").filter(has_text=title).last


def choose(page: Page, entry: Locator, item: str) -> None:
    entry.get_by_test_id("vml-entry-menu").click()
    page.get_by_role("menuitem", name=item).click()


def dismiss_news(page: Page) -> None:
    page.get_by_role("button", name="No", exact=True).click()
    hide_toasts(page)


def hide_toasts(page: Page) -> None:
    hiding = page.get_by_role("button", name="Hide notification")
    for _ in range(20):
        if page.locator(".Toastify__toast").count() == 0:
            return
        hiding.evaluate_all("all => all.forEach(one => one.click())")
        page.wait_for_timeout(200)  # it goes away slowly
    raise AssertionError("a notification does not go away")
