"""The environment's own code inside a machine: it tells the release that was booted, as the entry has it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import nbformat
import pytest
from demo import printed
from nbformat.v4 import new_code_cell, new_notebook

import vml_jupyter
from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Environment, Release
from vml_jupyter.release.mini import recipe

from .conftest import Vml

pytestmark = [
    pytest.mark.machine,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(
        ".".join(map(str, sys.version_info[:2])) != recipe.PYTHON,
        reason="the code is sent with this Python's msgspec, which the machine's Python cannot load",
    ),
]

CELL = """
import sys
sys.path.insert(0, "code")
import msgspec
from pathlib import Path
from vml_jupyter.environment import describe
print(msgspec.json.encode(describe(area=Path.cwd(), in_kernel=True)).decode())
"""


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """A working area, a git checkout, with a notebook that describes where it runs, and the code for that."""
    area = tmp_path / "whereami"
    package = Path(vml_jupyter.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("model", "environment"):
        shutil.copytree(package / name, area / "code/vml_jupyter" / name, ignore=ignored)
    (area / "code/vml_jupyter/__init__.py").touch()
    shutil.copytree(Path(msgspec.__file__).parent, area / "code/msgspec", ignore=ignored)
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), area / "whereami.ipynb")
    who = ["-c", "user.name=me", "-c", "user.email=me@here"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=area, check=True)
    return area


def test_a_machine_tells_the_release_that_was_booted(
    vml: Vml, machine_settings: Settings, area: Path
) -> None:
    system = recipe.SYSTEMS[0]
    entry = vml("snapshot", area, "--notebook", "whereami.ipynb", "--release", system.version)["entry"]
    recorded = msgspec.convert(vml("show", entry)["environment"], Environment)
    assert (recorded.cernvm, recorded.release_chosen) == (False, True)
    assert recorded.git is not None
    assert (recorded.git.state, recorded.packages["msgspec"]) == ("clean", msgspec.__version__)

    machine = vml("restore", entry)["machine"]
    executed = machines.execute(machine_settings, machine, "whereami.ipynb")
    inside = msgspec.json.decode("".join(printed(executed.cells[0])), type=Environment)
    vml("delete", machine)

    assert inside.release == Release(
        system=system.version,
        bootloader=recipe.VERSION,
        repository=recipe.REPOSITORY,
        path=recipe.CERNVM_PATH,
        root_hash=system.root_hash,
    )
    assert recorded.release is not None
    assert inside.release.system == recorded.release.system
    assert (inside.cernvm, inside.release_chosen) == (True, False)
    assert inside.release_tag == system.tag
    assert inside.os.startswith("Debian GNU/Linux 12")
    assert inside.python.startswith(recipe.PYTHON)
    assert inside.packages["numpy"] in system.lock_file.read_text().partition("numpy==")[2][:20]
    assert inside.cpu_flags.split()
    assert inside.git is not None
    assert (inside.git.commit, inside.git.unknown) == (recorded.git.commit, "git is not installed")
