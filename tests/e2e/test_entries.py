"""Entries by clicking: preview and snapshot, undo, the page of an entry, comparing, the bin, files beside one's own."""

from __future__ import annotations

import base64
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.settings import Settings

from .conftest import Lab, accessible, open_logbook, running_lab, shot, show_theme

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

HOSTILE_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60" onload="top.hacked=1">'
    '<script>top.hacked = 1</script><rect width="90" height="60" fill="teal"/></svg>'
)
HOSTILE_HTML = '<h3>Fitted</h3><img src="x" onerror="top.hacked=1"><script>top.hacked = 1</script>'


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A working area with a notebook, an image, a table, and files that would run script if they were let."""
    area = tmp_path / "root" / "fits"
    (area / "src" / "deep").mkdir(parents=True)
    write_notebook(area / "higgs.ipynb", mass=125.1, shade=90)
    (area / "plot.png").write_bytes(png(160))
    (area / "events.csv").write_text("".join(f"{n},{n * n % 97}\n" for n in range(400)))
    (area / "src" / "deep" / "fit.py").write_text("def fit(x):\n    return 2 * x + 1\n")
    (area / "evil.svg").write_text(HOSTILE_SVG)
    (area / "evil.html").write_text(HOSTILE_HTML)
    (area / ".vmlignore").write_text("*.tmp\n")
    (area / "scratch.tmp").write_text("left out")
    return area


@pytest.fixture
def lab(area: Path, settings: Settings) -> Iterator[Lab]:
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }
    with running_lab(area.parent, environ, "/", "--LabApp.expose_app_in_browser=True") as lab:
        yield lab


def test_an_entry_from_its_preview_to_the_bin(
    context: BrowserContext, lab: Lab, area: Path, settings: Settings
) -> None:
    page = context.new_page()
    page.goto(lab.page("lab/tree/fits/higgs.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)

    page.get_by_role("button", name="No", exact=True).click()  # to news
    take_with_preview(page)
    undo_and_take_back(page)
    look_into_the_entry(page)
    change(area)
    page.reload()
    take_at_once(page)
    compare_with_parent(page)
    restore_beside(page, area)
    in_dark_and_wide(page)
    empty_the_bin(page)

    assert page.evaluate("window.hacked") is None, "nothing that lies in an entry has run"
    assert [entry.title for entry in list_entries(settings)][-1] == "Higgs fit"


def test_a_notebook_that_is_saved_is_taken_by_itself(
    context: BrowserContext, area: Path, settings: Settings
) -> None:
    asked = area.parent.parent / "lab-settings" / "vml-jupyter" / "plugin.jupyterlab-settings"
    asked.parent.mkdir(parents=True)
    asked.write_text('{"automaticMinutes": 1}')
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": "http://127.0.0.1:9",
    }
    with running_lab(area.parent, environ) as lab:
        page = context.new_page()
        page.goto(lab.page("lab/tree/fits/higgs.ipynb"))
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
        open_logbook(page)
        page.locator(".jp-CodeCell .cm-content").first.click()
        page.keyboard.type("# by hand")
        page.keyboard.press("Control+s")
        entry = page.get_by_test_id("vml-entry")
        expect(entry.get_by_test_id("vml-automatic")).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="Filter by notebook").click()
        page.get_by_test_id("vml-filter-kind").select_option("hand")
        expect(entry).to_have_count(0)
    assert [taken.automatic for taken in list_entries(settings)] == [True]


def take_with_preview(page: Page) -> None:
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Control+Shift+Enter")
    expect(page.get_by_test_id("vml-title")).to_have_value("Higgs fit")
    expect(page.get_by_test_id("vml-title")).to_be_focused()
    expect(page.get_by_test_id("vml-preview-files")).to_have_text("7")
    page.get_by_test_id("vml-note").fill("First **good** fit.")
    page.keyboard.press("Enter")
    page.keyboard.type("Mass as expected.")
    expect(page.get_by_test_id("vml-note")).to_have_value("First **good** fit.\nMass as expected.")
    page.get_by_test_id("vml-tags").fill("blessed, thesis")
    accessible(page, ".jp-Dialog")
    shot(page, "entries-snapshot-preview")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“Higgs fit” is in the logbook")).to_be_visible()
    shot(page, "entries-snapshot-toast")


def undo_and_take_back(page: Page) -> None:
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("“Higgs fit” is in the bin.")).to_be_visible()
    open_logbook(page)
    expect(page.get_by_test_id("vml-empty")).to_be_visible()
    page.get_by_role("button", name="Show the bin").click()
    shot(page, "entries-bin-with-one")
    page.get_by_test_id("vml-unforget").click()
    expect(page.get_by_test_id("vml-bin-entry")).to_have_count(0)
    page.get_by_role("button", name="Show the entries").click()
    expect(page.get_by_test_id("vml-entry")).to_have_count(1)
    expect(page.get_by_test_id("vml-entry")).to_contain_text("blessed")
    expect(page.get_by_test_id("vml-thumbnail")).to_be_visible()
    expect(page.get_by_test_id("vml-status")).to_have_text("this computer")


def look_into_the_entry(page: Page) -> None:
    page.get_by_role("button", name="Higgs fit", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".vml-Note strong")).to_have_text("good")
    notebook = page.get_by_test_id("vml-notebook")
    expect(notebook.locator("img").first).to_be_visible()
    expect(notebook.get_by_role("heading", name="Fitted")).to_be_visible()
    expect(notebook.locator("script")).to_have_count(0)
    shot(page, "entries-page")

    tree = page.get_by_test_id("vml-tree")
    tree.get_by_text("evil.svg").click()
    expect(page.get_by_test_id("vml-file").locator("img")).to_be_visible()
    tree.get_by_text("evil.html").click()
    expect(page.get_by_test_id("vml-file").locator(".vml-Code")).to_contain_text("<script>")
    tree.get_by_role("treeitem", name="src").focus()
    for child in ("deep", "fit.py"):
        page.keyboard.press("ArrowRight")
        expect(tree.get_by_role("treeitem", name=child)).to_be_visible()
        page.keyboard.press("ArrowDown")
        expect(tree.get_by_role("treeitem", name=child)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("vml-file").locator(".vml-Code")).to_contain_text("def fit(x)")
    shot(page, "entries-page-code")

    page.locator(".vml-Note").hover()
    page.get_by_test_id("vml-Note-edit").click()
    page.locator(".vml-Note textarea").fill("First *good* fit, <script>top.hacked=1</script>see $m_H$.")
    page.get_by_test_id("vml-Note-save").click()
    expect(page.locator(".vml-Note em")).to_have_text("good")
    page.get_by_test_id("vml-tab-environment").click()
    expect(page.get_by_test_id("vml-environment")).to_contain_text("Python")
    shot(page, "entries-page-environment")


def change(area: Path) -> None:
    write_notebook(area / "higgs.ipynb", mass=125.3, shade=200)
    (area / "plot.png").write_bytes(png(30))
    (area / "src" / "deep" / "fit.py").write_text("def fit(x):\n    return 3 * x + 1\n")
    (area / "notes.txt").write_text("new\n")
    (area / "events.csv").unlink()


def take_at_once(page: Page) -> None:
    page.get_by_role("tab", name="higgs.ipynb").click()
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    button = page.locator(".jp-NotebookPanel-toolbar [data-command='vml:snapshot']")
    button.click(modifiers=["Alt"])
    open_logbook(page)
    expect(page.get_by_test_id("vml-entry")).to_have_count(2)
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def compare_with_parent(page: Page) -> None:
    page.get_by_test_id("vml-entry-menu").first.click()
    page.get_by_role("menuitem", name="Show Changes").click()
    changes = page.locator(".lm-Widget:not(.lm-mod-hidden) > .vml-Page").get_by_test_id("vml-changes")
    expect(changes.get_by_test_id("vml-change")).to_have_count(5)
    cell = changes.get_by_test_id("vml-cell-change")
    expect(cell.locator("mark").first).to_have_text("1")
    expect(cell.locator(".vml-Side img")).to_have_count(2)
    changes.get_by_role("button", name="fit.py").click()
    expect(changes.get_by_test_id("vml-diff").last.locator("mark").first).to_have_text("2")
    changes.get_by_role("button", name="plot.png").click()
    expect(changes.locator(".vml-Change-body img").last).to_be_visible()
    shot(page, "entries-compare")


def restore_beside(page: Page, area: Path) -> None:
    first = page.get_by_test_id("vml-entry").last
    first.get_by_test_id("vml-entry-menu").click()
    page.get_by_role("menuitem", name="Restore Files to a Folder…").click()
    page.get_by_test_id("vml-restore-to").fill("fits")
    page.keyboard.press("Enter")
    expect(page.get_by_text("“fits” is there already")).to_be_visible()
    shot(page, "entries-restore-occupied")
    page.get_by_role("button", name="Capture and keep it").click()
    expect(page.get_by_text("The files are in “fits”.")).to_be_visible()
    [kept] = area.parent.glob("fits.before-*")
    assert (kept / "notes.txt").read_text() == "new\n", "what was there is kept"
    assert (area / "events.csv").exists(), "the earlier files are back"
    assert not (area / "notes.txt").exists()
    expect(page.get_by_test_id("vml-entry")).to_have_count(3)


def in_dark_and_wide(page: Page) -> None:
    page.evaluate("document.querySelectorAll('.Toastify__close-button').forEach(one => one.click())")
    show_theme(page, "Dark")
    accessible(page, "#vml-logbook", ".vml-Page")
    shot(page, "entries-compare-dark")
    page.set_viewport_size({"width": 1920, "height": 1080})
    shot(page, "entries-compare-dark-1920")
    page.locator(".vml-Page").last.get_by_test_id("vml-tab-files").click()
    expect(page.get_by_test_id("vml-notebook").locator("img").first).to_be_visible()
    shot(page, "entries-page-dark-1920")
    show_theme(page, "Light")
    accessible(page, "#vml-logbook", ".vml-Page")
    shot(page, "entries-page-1920")
    page.set_viewport_size({"width": 1280, "height": 800})


def empty_the_bin(page: Page) -> None:
    page.get_by_role("button", name="Higgs fit", exact=True).first.focus()
    page.keyboard.press("Delete")
    expect(page.get_by_test_id("vml-entry")).to_have_count(2)
    page.get_by_role("button", name="Show the bin").click()
    expect(page.get_by_test_id("vml-bin-entry")).to_have_count(1)
    page.get_by_test_id("vml-empty-bin").click()
    expect(page.locator(".jp-Dialog")).to_contain_text("1 entry is removed for good")
    shot(page, "entries-bin")
    page.get_by_role("button", name="Remove 1 entry").click()
    expect(page.get_by_test_id("vml-bin-entry")).to_have_count(0)


def write_notebook(file: Path, *, mass: float, shade: int) -> None:
    """Write a notebook with text, a table, an image, and outputs that would run script if they were let."""
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": f"mass = {mass} GeV\n"},
        display({"image/png": base64.b64encode(png(shade)).decode(), "text/plain": "<Figure>"}),
    ]
    cells = [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Higgs fit\n\nThe peak of $m_H$."},
        code("b", f"mass = {mass}\nprint(f'mass = {{mass}} GeV')\nplot(mass)", outputs),
        code("c", "table()", [display({"text/html": HOSTILE_HTML})]),
        code("d", "svg()", [display({"image/svg+xml": HOSTILE_SVG})]),
        code("e", "live()", [display({"application/javascript": "top.hacked = 1"})]),
    ]
    spec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 5}
    file.write_text(json.dumps(notebook))


def code(id: str, source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    trusted = {"trusted": True}
    return {
        "cell_type": "code", "id": id, "metadata": trusted, "source": source, "outputs": outputs, "execution_count": 1,
    }  # fmt: skip


def display(data: dict[str, str]) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def png(shade: int) -> bytes:
    """Return a picture of a peak, 320 by 160 pixels, as a PNG."""
    rows = []
    for y in range(160):
        row = [255 if 150 - 120 / (1 + ((x - 160) / 25) ** 2) > y else shade for x in range(320)]
        rows.append(b"\0" + bytes(row))
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", 320, 160, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(rows)),
        b"IEND": b"",
    }
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
