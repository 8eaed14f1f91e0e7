"""The Snapshot button in a machine's own JupyterLab: what is open is saved, and the user's server hears the wish.

The machine's JupyterLab runs here without its machine, with the files that a pickup brings.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import BrowserContext, expect

from vml_jupyter.flows.trust import TrustedEntries
from vml_jupyter.guest import GuestConfig, agent, pickup
from vml_jupyter.jobs import JobDesk, Journal
from vml_jupyter.model import Entry, Environment, Machine, Release
from vml_jupyter.server.wishes import attend

from .conftest import Lab, running_lab, shot
from .leaving import leave_and_return

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def machine_lab(tmp_path: Path, dimuon: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A JupyterLab as an agent starts one."""
    with tarfile.open(
        fileobj=io.BytesIO(pickup(GuestConfig(token="t", machine="m"))), mode="r:gz"
    ) as archive:
        archive.extractall(tmp_path / "machine", filter="data")
    run = tmp_path / "run"
    run.mkdir()
    for name in ("ASKING", "LAB_EXTENSIONS"):
        monkeypatch.setattr(agent, name, f"{tmp_path}/machine{getattr(agent, name)}")
    monkeypatch.setattr(agent, "RUN", str(run))
    agent.write_asking()
    environ = {**os.environ, "JUPYTER_CONFIG_PATH": str(run), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    options = (f"--LabApp.extra_labextensions_path={agent.LAB_EXTENSIONS}",)
    with running_lab(dimuon, environ, "/", *options) as lab:
        yield lab


@contextmanager
def listening(lab: Lab, tmp_path: Path, *, trusted: bool) -> Iterator[list[Any]]:
    """Attend the machine's JupyterLab as the user's own server does; gives what was captured."""
    captured: list[Any] = []
    made = Entry(id="e" * 12, time="2026-01-02T03:04:05Z", title="", environment=Environment())

    def capture_machine(machine: str, *, title: str, **asked: Any) -> Entry:
        captured.append((machine, title, (tmp_path / "dimuon" / "dimuon.ipynb").read_text()))
        return msgspec.structs.replace(made, title=title or "as restored")

    machine = Machine(
        id="m" * 12,
        entry="p" * 12,
        release=Release(system="4.5.0.1"),
        state="running",
        port=urlsplit(lab.url).port or 0,
    )
    desk = JobDesk(Journal(tmp_path / "jobs"), workers=1)
    entries = TrustedEntries(tmp_path / f"trusted-{trusted}")
    if trusted:
        entries.add(machine.entry)
    flows = SimpleNamespace(capture_machine=capture_machine, machine_token=lambda _: lab.token)
    vml: Any = SimpleNamespace(flows=flows, desk=desk, trusted=entries)
    loop = asyncio.new_event_loop()

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(attend(vml, machine, logging.getLogger()))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield captured
    finally:
        for task in asyncio.all_tasks(loop):
            loop.call_soon_threadsafe(task.cancel)
        thread.join(60)
        desk.close()


def test_the_button_saves_and_the_wish_is_granted(
    context: BrowserContext, machine_lab: Lab, tmp_path: Path
) -> None:
    page = context.new_page()
    page.goto(machine_lab.page("lab/tree/dimuon.ipynb"))
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=60_000)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.type("# not saved yet")
    with listening(machine_lab, tmp_path, trusted=True) as captured:
        page.get_by_test_id("vml-machine-snapshot").click()
        page.locator(".jp-Dialog input").fill("from inside")
        shot(page, "machine-snapshot-dialog")
        page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(page.get_by_text("“from inside” is in the logbook")).to_be_visible(timeout=60_000)
        shot(page, "machine-snapshot-done")
    [(machine, title, notebook)] = captured
    assert (machine, title) == ("m" * 12, "from inside")
    assert "# not saved yet" in notebook

    with listening(machine_lab, tmp_path, trusted=False) as captured:
        page.get_by_test_id("vml-machine-snapshot").click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(page.get_by_text("was not made here")).to_be_visible(timeout=60_000)
        shot(page, "machine-snapshot-refused")
    assert captured == []


def test_a_cell_goes_on_without_a_page(context: BrowserContext, machine_lab: Lab) -> None:
    leave_and_return(context, machine_lab.page("lab/tree/dimuon.ipynb"), lines=40, patience_ms=60_000)
