"""The main job on real parts, by command line: capture, change, restore in a machine, run there, delete."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from demo import environment_text, results, run_here

from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings

from .conftest import Vml, processes_naming

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("nothing_left")]


def executed_in(settings: Settings, restored: dict[str, Any]) -> nbformat.NotebookNode:
    return machines.execute(settings, restored["machine"], "dimuon.ipynb")


def test_a_notebook_comes_back_as_it_was(vml: Vml, machine_settings: Settings, dimuon: Path) -> None:
    captured = run_here(dimuon / "dimuon.ipynb")
    taken = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "-m", "as it was", "--release", "4.5.0.1")
    (dimuon / "dimuon.csv").write_text("changed since\n")
    (dimuon / "dimuon.ipynb").write_text("{}")

    restored = vml("restore", taken["entry"])
    assert restored["release"]["system"] == "4.5.0.1"
    assert set(restored) == {"machine", "url", "release", "accelerator", "warm", "seconds"}

    inside = executed_in(machine_settings, restored)
    assert "CernVM 4.5.0.1" in environment_text(inside)
    assert results(inside) == results(captured)
    assert results(inside) != []

    [listed] = vml("machines")["machines"]
    assert (listed["id"], listed["state"], listed["entry"]) == (
        restored["machine"],
        "running",
        taken["entry"],
    )
    vml("delete", restored["machine"])
    assert vml("machines")["machines"] == []


def test_machines_of_two_systems_run_side_by_side(vml: Vml, machine_settings: Settings, dimuon: Path) -> None:
    entries = {
        system: vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", system)["entry"]
        for system in ("4.5.0.1", "4.5.1.0")
    }
    with ThreadPoolExecutor(2) as both:
        restored = dict(
            zip(entries, both.map(lambda entry: vml("restore", entry), entries.values()), strict=True)
        )

    said = {
        system: environment_text(executed_in(machine_settings, each)) for system, each in restored.items()
    }
    for system, text in said.items():
        assert f"CernVM {system}" in text
    assert said["4.5.0.1"] != said["4.5.1.0"]

    one, other = (each["machine"] for each in restored.values())
    vml("delete", one)
    assert processes_naming(machine_settings.machines / one) == []
    assert [machine["id"] for machine in vml("machines")["machines"]] == [other]
    vml("delete", other)


def test_a_stopped_machine_starts_again_with_its_work(
    vml: Vml, machine_settings: Settings, dimuon: Path
) -> None:
    entry = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", "4.5.1.0")["entry"]
    machine = vml("restore", entry)["machine"]
    written = {"type": "file", "format": "text", "content": "written inside"}
    contents(machine_settings, machine, "PUT", "inside.txt", json=written)

    vml("stop", machine)
    assert vml("machines")["machines"][0]["state"] == "stopped"
    assert processes_naming(machine_settings.machines / machine) == []

    vml("start", machine)
    assert contents(machine_settings, machine, "GET", "inside.txt")["content"] == "written inside"
    assert (
        contents(machine_settings, machine, "GET", "dimuon.csv")["content"]
        == (dimuon / "dimuon.csv").read_text()
    )
    vml("delete", machine)


def contents(settings: Settings, machine: str, verb: str, path: str, **more: Any) -> Any:
    port = machines.find_machine(settings, machine).port
    headers = {"Authorization": f"token {machines.machine_token(settings, machine)}"}
    answer = requests.request(
        verb, f"http://127.0.0.1:{port}/api/contents/{path}", headers=headers, timeout=30, **more
    )
    answer.raise_for_status()
    return answer.json()


def test_the_command_line_starts_from_the_shell(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "vml", "list"], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "no entries yet" in done.stdout
