"""Machines side by side tell from inside which release they are, field by field; a result comes back in its own only.

entry as taken inside 4.4.0.1                -> machine as recorded:         the same record, the recorded result
entry of this computer, 4.4.0.1 chosen       -> machine with --release ...:  another of both
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import nbformat
import pytest
from demo import environment_text, printed, results
from nbformat.v4 import new_code_cell, new_notebook

import vml_jupyter
from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient
from vml_jupyter.guest.client import GuestRelease
from vml_jupyter.machine import Host, probe_accelerator
from vml_jupyter.model import Environment
from vml_jupyter.release.mini import recipe

from .conftest import Vml, as_inside, processes_naming, recorded_entry

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(
        ".".join(map(str, sys.version_info[:2])) != recipe.PYTHON,
        reason="the code is sent with this Python's msgspec, which the machine's Python cannot load",
    ),
]

RIGHT, _, WRONG = recipe.SYSTEMS
OLD_BOOTLOADER, NEW_BOOTLOADER = recipe.BOOTLOADERS

RESULT = """CernVM {}
Python {}, numpy 1.25.2, matplotlib 3.7.5
m_Z    = 91.300314903 GeV after calibration, as float64
"""

CELL = """
import sys
sys.path.insert(0, "code")
import msgspec
from pathlib import Path
from vml_jupyter.environment import describe
print(msgspec.json.encode(describe(area=Path.cwd(), in_kernel=True)).decode())
"""


@pytest.fixture
def area(dimuon: Path) -> Path:
    """A working area, a git checkout: the example, a notebook that describes where it runs, and the code for that."""
    package = Path(vml_jupyter.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("model", "environment"):
        shutil.copytree(package / name, dimuon / "code/vml_jupyter" / name, ignore=ignored)
    (dimuon / "code/vml_jupyter/__init__.py").touch()
    for name in ("replacing.py", "parsing.py"):
        shutil.copy(package / name, dimuon / "code/vml_jupyter")
    shutil.copytree(Path(msgspec.__file__).parent, dimuon / "code/msgspec", ignore=ignored)
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), dimuon / "whereami.ipynb")
    who = ["-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=dimuon, check=True)
    return dimuon


def test_machines_side_by_side_tell_what_they_are(vml: Vml, machine_settings: Settings, area: Path) -> None:
    chosen = vml("snapshot", area, "--notebook", "dimuon.ipynb", "--release", RIGHT.version)["entry"]
    outside = msgspec.convert(vml("show", chosen)["environment"], Environment)
    assert (outside.cernvm, outside.release_chosen) == (False, True)
    assert outside.git is not None
    assert (outside.git.state, outside.packages["msgspec"]) == ("clean", msgspec.__version__)
    entry = recorded_entry(machine_settings, area, as_inside(RIGHT, OLD_BOOTLOADER, recipe.REVISIONS[0]))
    recorded = msgspec.convert(vml("show", entry)["environment"], Environment)

    probe_accelerator(
        machine_settings.cache
    )  # once, not by both restores while they compete for the processors
    ways = (["restore", entry], ["restore", chosen, "--release", WRONG.version])
    with ThreadPoolExecutor(2) as both:
        right, wrong = both.map(lambda words: vml(*words)["machine"], ways)
    inside, same = told_by(machine_settings, right)
    assert processes_naming(machine_settings.machines / right) == []
    assert [machine["id"] for machine in vml("machines")["machines"]] == [wrong]
    other, different = told_by(machine_settings, wrong)

    # One is pinned to an older revision of the software; the other entry recorded none, so it has the newest.
    old, new = recipe.REVISIONS[0], recipe.REVISIONS[-1]
    for told, expected, system in (
        (inside, as_inside(RIGHT, OLD_BOOTLOADER, old), RIGHT),
        (other, as_inside(WRONG, NEW_BOOTLOADER, new), WRONG),
    ):
        for name in ("release", "release_tag", "release_chosen", "cernvm", "cvmfs"):
            assert getattr(told, name) == getattr(expected, name), name
        assert told.os.startswith("Debian GNU/Linux 12")
        assert told.python.startswith(recipe.PYTHON)
        for package in ("numpy", "matplotlib"):
            assert f"\n{package}=={told.packages[package]} " in system.lock_file.read_text()
        assert told.cpu_flags.split()
        assert told.git is not None
        assert (told.git.commit, told.git.unknown) == (outside.git.commit, "git is not installed")
    for name in ("release", "release_tag", "cernvm", "cvmfs"):
        assert getattr(inside, name) == getattr(recorded, name), name
    assert outside.release is not None
    for name in ("system", "bootloader", "repository", "path", "root_hash"):
        assert getattr(inside.release, name) == getattr(outside.release, name), name

    assert environment_text(same) == RESULT.format(RIGHT.version, inside.python)
    assert f"CernVM {WRONG.version}\n" in environment_text(different)
    assert "m_Z    = 91.300308228 GeV after calibration, as float32" in environment_text(different)
    assert results(same) == results(different) != []


def told_by(settings: Settings, machine: str) -> tuple[Environment, nbformat.NotebookNode]:
    """Return what a machine tells of itself, as its agent does, and the example run in it; the machine is deleted."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        reported = AgentClient(host.spec(machine).agent_socket).state(timeout_s=60).release
    executed = machines.execute(settings, machine, "whereami.ipynb")
    example = machines.execute(settings, machine, "dimuon.ipynb")
    machines.delete(settings, machine)
    inside = msgspec.json.decode("".join(printed(executed.cells[0])), type=Environment)
    assert inside.release is not None
    assert reported == GuestRelease(
        system=inside.release.system,
        tag=inside.release_tag,
        root_hash=inside.release.root_hash,
        bootloader=inside.release.bootloader,
        name=f"CERN Virtual Machine, version {inside.release.system}",
    )
    return inside, example
