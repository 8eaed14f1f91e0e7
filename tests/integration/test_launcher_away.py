"""The network goes away in the middle of each stage of a launcher, or the server dies: it waits, says so, and goes on.

Each outage takes ``VML_CUT_S`` seconds, longer than a launcher waits for an answer; 60 in ``make soak``.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

from .conftest import Vml
from .launcher_line import STAGES, Line
from .launcher_scene import elsewhere, running

pytestmark = [pytest.mark.machine, pytest.mark.soak, pytest.mark.timeout(3000)]
CUT_S = float(os.environ.get("VML_CUT_S", "12"))


@pytest.mark.parametrize("how", ["cut", "killed"])
def test_it_waits_says_so_and_goes_on(
    how: str, machine_settings: Settings, environ: dict[str, str], vml: Vml, dimuon: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    release = recipe.SYSTEMS[0].version
    entry = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", release)["entry"]
    with running(root, environ) as server, Line(server.port, STAGES) as line:
        file = tmp_path / "launch.py"
        vml("launcher", entry, "-o", file, "--server", line.url)

        def killed(_: str) -> bool:
            server.kill()
            threading.Timer(1.0, server.begin).start()
            return True  # were the answer in hand to pass, two outages might be one

        line.happens = {"cut": lambda _: line.cut(CUT_S), "killed": killed}[how]
        with elsewhere(tmp_path / "home", file.read_bytes(), "launch.py") as there:
            said = there.run()
            assert line.happened == ["pair", "context", "fetch", "ready"]
            assert said.count("does not answer") >= 4
            assert said.count("answers again") >= 4
            (launch,) = server.launches()
            assert launch["state"] == "running"
            assert any(cell.get("outputs") for cell in there.execute("dimuon.ipynb").cells)

            there.write("large.txt", "x" * 3_000_000)
            said = there.run("capture")
            assert line.happened[-1] == "capture"
            assert "answers again" in said
            (captured,) = [each for each in list_entries(machine_settings) if each.id != entry]
            restore_files(machine_settings, captured.id, tmp_path / "back")
            assert (tmp_path / "back" / "large.txt").stat().st_size == 3_000_000

            there.run("remove")
            assert there.files() == [there.script]
