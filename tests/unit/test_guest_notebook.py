"""Running a notebook in a Jupyter that is not ours: against a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from vml_jupyter.errors import Foreign, MachineGone, NotFound
from vml_jupyter.guest.notebook import CellFailed, execute_notebook

TOKEN = "t0ken"


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("area")


@pytest.fixture(scope="module")
def url(area: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Jupyter server as the agent configures it."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "root_dir": str(area),
        "allow_root": True,
        "open_browser": False,
    }
    config = home / "jupyter.json"
    config.write_text(json.dumps({"ServerApp": server, "IdentityProvider": {"token": TOKEN}}))
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", f"--config={config}"],
        env={
            **os.environ,
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(home),
            "JUPYTER_RUNTIME_DIR": str(home / "run"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}/"
    try:
        deadline = time.monotonic() + 60
        while not _answers(address):
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}api", timeout=1):
            return True
    except OSError:
        return False


def write(area: Path, name: str, *sources: str) -> None:
    cells = [nbformat.v4.new_markdown_cell("# title"), *map(nbformat.v4.new_code_cell, sources)]
    path = area / name
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def kernels(url: str) -> list[object]:
    request = urllib.request.Request(f"{url}api/kernels", headers={"Authorization": f"token {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[object] = json.load(answer)
    return found


def test_every_cell_runs_in_order_in_the_notebooks_folder(area: Path, url: str) -> None:
    write(area, "sub/work.ipynb", "import os; x = 20", "print(os.path.basename(os.getcwd()))", "", "x + 1")
    before = (area / "sub/work.ipynb").read_text()
    notebook = execute_notebook(url, TOKEN, "sub/work.ipynb", 60)
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[1][0].text == "sub\n"
    assert outputs[3][0].data["text/plain"] == "21"
    nbformat.validate(notebook)
    assert (area / "sub/work.ipynb").read_text() == before
    assert kernels(url) == []


def test_outputs_can_be_saved(area: Path, url: str) -> None:
    write(area, "saved.ipynb", "print('kept')")
    execute_notebook(url, TOKEN, "saved.ipynb", 60, save=True)
    assert nbformat.read(area / "saved.ipynb", as_version=4).cells[1].outputs[0].text == "kept\n"


def test_a_failing_cell_ends_it_and_is_told(area: Path, url: str) -> None:
    write(area, "fails.ipynb", "a = 1", "a / 0", "print('never')")
    with pytest.raises(CellFailed, match=r"code cell 2 of 3.*ZeroDivisionError") as caught:
        execute_notebook(url, TOKEN, "fails.ipynb", 60)
    assert caught.value.number == 2
    assert caught.value.notebook.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert caught.value.notebook.cells[3].outputs == []
    assert kernels(url) == []


def test_a_cell_that_takes_too_long_ends_with_its_kernel(area: Path, url: str) -> None:
    write(area, "slow.ipynb", "import threading; threading.Event().wait(600)")
    with pytest.raises(MachineGone, match="did not finish"):
        execute_notebook(url, TOKEN, "slow.ipynb", 3)
    assert kernels(url) == []


def test_what_is_not_there_and_what_is_no_notebook_are_told(area: Path, url: str) -> None:
    with pytest.raises(NotFound):
        execute_notebook(url, TOKEN, "absent.ipynb", 10)
    (area / "text.ipynb").write_text("no JSON")
    with pytest.raises((Foreign, MachineGone)):
        execute_notebook(url, TOKEN, "text.ipynb", 10)


def test_a_wrong_token_and_no_machine_are_told(url: str) -> None:
    with pytest.raises(MachineGone, match="403"):
        execute_notebook(url, "wrong", "work.ipynb", 10)
    with pytest.raises(MachineGone, match="does not answer"):
        execute_notebook("http://127.0.0.1:9/", TOKEN, "work.ipynb", 10)
