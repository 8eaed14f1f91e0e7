"""``%vml`` in a real kernel and with a real machine: what a physicist types, from the snapshot to the end."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from contextlib import AbstractContextManager
from html import unescape
from pathlib import Path

import nbformat
import pytest
from demo import environment_text
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("nothing_left")]


class Notebook:
    """A notebook that is open beside its file: each line is typed into a new cell, and the file saved first."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._notebook = new_notebook()
        self._client = NotebookClient(
            self._notebook,
            timeout=300,
            kernel_name="python3",
            resources={"metadata": {"path": str(file.parent)}},
        )

    def kernel(self) -> AbstractContextManager[None]:
        return self._client.setup_kernel()

    def links(self) -> list[str]:
        """Return the links that widgets show."""
        shown = " ".join(str(state.get("value")) for state in self._client.widget_state.values())
        return [unescape(each) for each in re.findall('href="([^"]+)"', shown)]

    def saved(self) -> str:
        """Return all that is saved with the notebook: its outputs, and the state of its widgets."""
        self._client.set_widgets_metadata()
        return nbformat.writes(self._notebook)

    def type(self, source: str) -> str:
        """Execute ``source`` in the kernel and return the text that the cell shows."""
        self._notebook.cells.append(new_code_cell(source))
        nbformat.write(self._notebook, self._file)
        cell = self._client.execute_cell(self._notebook.cells[-1], len(self._notebook.cells) - 1)
        return "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell.outputs
        )


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *all: object) -> None:
        return None


def leads_to(link: str) -> str:
    """Return where a link redirects to, '' where it does not any more."""
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(_Stay).open(link, timeout=30)
    with answer.value as response:
        return response.headers.get("Location", "")


@pytest.mark.warm("4.5.1.0")
def test_from_the_snapshot_to_the_end_of_the_machine(
    machine_settings: Settings, environ: dict[str, str], dimuon: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VML_DATA", "VML_CONFIG", "VML_RELEASE_URLS", "VML_WARM_QUOTA_MIB"):
        monkeypatch.setenv(name, environ[name])
    file = dimuon / "dimuon.ipynb"
    example = nbformat.read(file, as_version=4)
    notebook = Notebook(dimuon / "magics.ipynb")
    with notebook.kernel():
        notebook.type("%load_ext vml_jupyter")
        shown = notebook.type('%vml snapshot --notebook dimuon.ipynb --release 4.5.1.0 -m "by magic"')
        assert "by magic" in shown
        entry = notebook.type("print(_.id)").strip()
        assert "by magic" in notebook.type("%vml list")

        file.write_text("{}")  # what the machine must not show
        shown = notebook.type(f"opened = %vml restore {entry}\nopened")
        [machine] = machines.list_machines(machine_settings)
        assert f"Machine {machine.id}: CernVM 4.5.1.0" in shown
        (link,) = notebook.links()
        assert leads_to(link) == machine.url
        assert leads_to(link) == "", "it opens once"
        assert notebook.type("print(opened.machine.release.system)").strip() == "4.5.1.0"
        listed = notebook.type("%vml machines")
        assert machine.id in listed
        assert "running" in listed

        notebook.type("import vml_jupyter as vml\nshown = vml.Machine(opened.machine.id)\nshown")
        assert "Logbook()" in notebook.type("logbook = vml.Logbook()\nlogbook")
        seen = "import time\nwhile not logbook.entries: time.sleep(0.05)\nprint(logbook.entries[0].id, shown.state)"
        assert notebook.type(seen).split() == [entry, "running"]
        assert {machine.url} == {leads_to(each) for each in notebook.links()} - {""}

        token = machines.machine_token(machine_settings, machine.id)
        assert "application/vnd.jupyter.widget-state+json" in notebook.saved()
        assert token[:8] not in notebook.saved()
        inside = machines.execute(machine_settings, machine.id, "dimuon.ipynb")
        assert "CernVM 4.5.1.0" in environment_text(inside)
        assert [cell.source for cell in inside.cells] == [cell.source for cell in example.cells]

        assert "stopped" in notebook.type(f"%vml stop {machine.id}")
        assert "stopped" in notebook.type("%vml machines")
        assert "deleted" in notebook.type(f"%vml delete {machine.id}")
        with pytest.raises(CellExecutionError, match="no machine"):
            notebook.type(f"%vml open {machine.id}")
