"""The example notebook: committed clean, and the same numbers every time; and ``%vml`` in a real kernel."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
RESULTS = """\
4060 pairs: 3710 of opposite, 350 of equal charge
masses from 1.98 to 140.83 GeV
J/psi          893 +- 31 pairs
Upsilon(1S)    363 +- 20 pairs
Z             1039 +- 34 pairs
m_Z    = 91.20 +- 0.06 GeV
sigma  = 0.70 +- 0.11 GeV
N      = 1137 +- 38 pairs
deviance 91.5 for 75 degrees of freedom
"""


def execute(notebook: nbformat.NotebookNode, folder: Path) -> list[nbformat.NotebookNode]:
    client = NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


EXAMPLES = sorted(file.name for file in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_committed_clean(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert "widgets" not in notebook.metadata
    assert not any(
        cell.outputs or cell.execution_count for cell in notebook.cells if cell.cell_type == "code"
    )
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_there_are_the_examples_that_the_documentation_names() -> None:
    named = {"01-first-snapshot", "02-two-cernvms", "03-compare-and-branch", "04-standard-snapshot", "dimuon"}
    assert {name.removesuffix(".ipynb") for name in EXAMPLES} == named


def test_the_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    shutil.copy(NOTEBOOKS / "make_dimuon_sample.py", tmp_path)
    subprocess.run([sys.executable, "make_dimuon_sample.py"], cwd=tmp_path, check=True)
    made, kept = (hashlib.sha256((folder / "dimuon.csv").read_bytes()) for folder in (tmp_path, NOTEBOOKS))
    assert made.hexdigest() == kept.hexdigest()


def test_the_example_measures_the_z(tmp_path: Path) -> None:
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, tmp_path)
    cells = execute(nbformat.read(tmp_path / "dimuon.ipynb", as_version=4), tmp_path)
    place = [cell for cell in cells if "environment" in cell.metadata.get("tags", [])]
    versions, calibrated = map(printed, place)
    assert "numpy" in versions
    digits, kind = ("91.300308228", "float32") if np.__version__ >= "2" else ("91.300314903", "float64")
    assert calibrated == f"m_Z    = {digits} GeV after calibration, as {kind}\n"
    assert "".join(printed(cell) for cell in cells if cell not in place) == RESULTS
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2


def test_the_magic_works_in_a_real_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VML_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VML_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("VML_RELEASE_URLS", "http://127.0.0.1:9")
    area = tmp_path / "area"
    area.mkdir()
    sources = [
        "%load_ext vml_jupyter.kernel",
        "%vml snapshot -m 'in a kernel'",
        "%vml list",
        "%vml restore zz",
    ]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    notebook.cells[-1].metadata["tags"] = ["raises-exception"]
    loaded, taken, listed, refused = execute(notebook, area)
    assert loaded.outputs == []
    (result,) = (output for output in taken.outputs if output.output_type == "execute_result")
    assert "<p>Entry " in result.data["text/html"]
    assert "in a kernel" in result.data["text/plain"]
    assert "<caption>Logbook</caption>" in listed.outputs[-1].data["text/html"]
    (error,) = (output for output in refused.outputs if output.output_type == "error")
    assert error.ename == "NotFound"
    assert "Traceback" not in "".join(error.traceback)
