"""The example notebooks, each from top to bottom in a real kernel, with real machines where they ask for them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from vml_jupyter.flows.settings import Settings

pytestmark = [pytest.mark.machine, pytest.mark.timeout(900), pytest.mark.usefixtures("nothing_left")]

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


class NotebookRunner:
    """A copy of the folder of examples."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> str:
        """Execute a notebook and return what its cells printed; no key of a machine is in what would be saved."""
        notebook = nbformat.read(self._folder / name, as_version=4)
        resources = {"metadata": {"path": str(self._folder)}}
        NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
        assert "token=" not in nbformat.writes(notebook).replace("token=...", "")
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        return "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "") + "\n"
            for cell in cells
            for output in cell.outputs
        )


@pytest.fixture
def run(
    machine_settings: Settings, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> NotebookRunner:
    for name in ("VML_DATA", "VML_CONFIG", "VML_RELEASE_URLS", "VML_RELEASE_CA", "VML_WARM_QUOTA_MIB"):
        monkeypatch.setenv(name, environ[name])
    for name in ("VML_LOGBOOK", "VML_LOGBOOK_PASSWORD", "VML_RELEASE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for file in (*NOTEBOOKS.glob("*.ipynb"), NOTEBOOKS / "dimuon.csv"):
        shutil.copy(file, folder)
    return NotebookRunner(folder)


def test_a_first_snapshot(run: NotebookRunner) -> None:
    told = run("01-first-snapshot.ipynb")
    assert "2 files, notebook dimuon.ipynb, CernVM 4.5.0.1" in told
    assert "since its parent: ['dimuon.csv']" in told
    assert "the parent is the first one: True" in told
    assert "the sample has 4060 pairs again" in told


@pytest.mark.warm("4.5.0.1", "4.5.1.0")
def test_two_cernvms(run: NotebookRunner) -> None:
    told = run("02-two-cernvms.ipynb")
    found = re.findall(
        r"(CernVM [\d.]+(?: instead of [\d.]+)?): m_Z    = ([\d.]+) GeV .*, as (float\d\d)", told
    )
    assert found == [
        ("CernVM 4.5.0.1", "91.300314903", "float64"),
        ("CernVM 4.5.1.0 instead of 4.5.0.1", "91.300308228", "float32"),
        ("CernVM 4.5.0.1", "91.300314903", "float64"),
    ]
    assert [line for line in told.splitlines() if line in ("equal", "different")] == ["different", "equal"]


def test_compare_and_branch(run: NotebookRunner) -> None:
    told = run("03-compare-and-branch.ipynb")
    assert "[('added', 'note.txt'), ('changed', 'dimuon.ipynb')]" in told
    assert "compared cell by cell: True" in told
    assert "one continues start: True" in told
    assert "two continues start: True" in told
    assert "['60 bins', 'start']" in told
    assert "['a wider window', '60 bins', 'start']" in told


@pytest.mark.warm("4.5.0.1")
def test_a_standard_snapshot(run: NotebookRunner) -> None:
    told = run("04-standard-snapshot.ipynb")
    printed = [line for line in told.splitlines() if line in ("{'m_Z': 91.2}", "None")]
    assert printed == ["{'m_Z': 91.2}", "None", "{'m_Z': 91.2}"]
    assert "fitted" in told
    assert told.rstrip().endswith("[]")
