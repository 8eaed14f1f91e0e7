"""Machines tell from inside which release they are, field by field; an entry's own result comes back in its own only.

on this computer     entry, the release chosen          -> machine in 4.4.0.1: describes itself, runs the example
as if taken inside   entry with what that machine told  -> machine as recorded:     the same record and result
                                                        -> machine with --release:  another of both
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
from vml_jupyter.machine import Host
from vml_jupyter.model import Environment, Mount, Release
from vml_jupyter.release.mini import recipe

from .conftest import Vml, recorded_entry

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
PINNED = recipe.REVISIONS[-1]

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
    shutil.copytree(Path(msgspec.__file__).parent, dimuon / "code/msgspec", ignore=ignored)
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), dimuon / "whereami.ipynb")
    who = ["-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=dimuon, check=True)
    return dimuon


def test_machines_tell_what_they_are(vml: Vml, machine_settings: Settings, area: Path) -> None:
    chosen = vml("snapshot", area, "--notebook", "dimuon.ipynb", "--release", RIGHT.version)["entry"]
    recorded = msgspec.convert(vml("show", chosen)["environment"], Environment)
    assert (recorded.cernvm, recorded.release_chosen) == (False, True)
    assert recorded.git is not None
    assert (recorded.git.state, recorded.packages["msgspec"]) == ("clean", msgspec.__version__)

    inside, first = told_by(machine_settings, vml("restore", chosen)["machine"])
    check(inside, RIGHT, OLD_BOOTLOADER)
    assert recorded.release is not None
    for name in ("system", "bootloader", "repository", "path", "root_hash"):
        assert getattr(inside.release, name) == getattr(recorded.release, name), name
    assert inside.git is not None
    assert (inside.git.commit, inside.git.unknown) == (recorded.git.commit, "git is not installed")

    nbformat.write(first, area / "dimuon.ipynb")
    entry = recorded_entry(machine_settings, area, inside)
    ways = (["restore", entry], ["restore", entry, "--release", WRONG.version])
    with ThreadPoolExecutor(2) as both:
        right, wrong = both.map(lambda words: vml(*words)["machine"], ways)
    again, same = told_by(machine_settings, right)
    other, different = told_by(machine_settings, wrong)

    check(again, RIGHT, OLD_BOOTLOADER)
    check(other, WRONG, NEW_BOOTLOADER)
    for name in (
        "release",
        "release_tag",
        "cernvm",
        "os",
        "kernel",
        "architecture",
        "python",
        "packages",
        "cvmfs",
    ):
        assert getattr(again, name) == getattr(inside, name), name
    assert environment_text(same) == environment_text(first)
    assert f"CernVM {RIGHT.version}" in environment_text(first)
    assert "m_Z    = 91.300314903 GeV after calibration, as float64" in environment_text(first)
    assert f"CernVM {WRONG.version}" in environment_text(different)
    assert "m_Z    = 91.300308228 GeV after calibration, as float32" in environment_text(different)
    assert results(same) == results(different) == results(first) != []


def told_by(settings: Settings, machine: str) -> tuple[Environment, nbformat.NotebookNode]:
    """Return what a machine tells of itself, as its agent does, and the example run in it; the machine is deleted."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        reported = AgentClient(host.spec(machine).agent_socket).state().release
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


def check(inside: Environment, system: recipe.System, bootloader: recipe.Bootloader) -> None:
    """Compare all that a machine tells of its release with what the recipe put into it."""
    assert inside.release == Release(
        system=system.version,
        bootloader=bootloader.version,
        repository=recipe.REPOSITORY,
        path=recipe.CERNVM_PATH,
        root_hash=system.root_hash,
    )
    assert (inside.cernvm, inside.release_chosen) == (True, False)
    assert inside.release_tag == system.tag
    assert inside.cvmfs == tuple(
        Mount(path=path, fqrn=each.fqrn, revision=each.revision, root_hash=each.root_hash, tag=each.tag)
        for path, each in ((f"/cvmfs/{PINNED.fqrn}", PINNED), ("/mnt/.ro", system))
    )
    assert inside.os.startswith("Debian GNU/Linux 12")
    assert inside.python.startswith(recipe.PYTHON)
    for package in ("numpy", "matplotlib"):
        assert f"\n{package}=={inside.packages[package]} " in system.lock_file.read_text()
    assert inside.cpu_flags.split()
