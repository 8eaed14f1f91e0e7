"""The widgets in a front end that has a kernel and nothing else, as VS Code has: no Jupyter server, no JupyterLab.

nbclient stands in for it: it hears what the kernel says of its widgets, and sends what a user types, as such a front
end does. What it draws of that is ipywidgets' own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings

UNTIL = """
import time
until = time.monotonic() + 60
while len(box.list.options) != {count}:
    assert time.monotonic() < until, box.list.options
    time.sleep(0.05)
"""


@pytest.fixture
def area(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VML_DATA", str(settings.data))
    monkeypatch.setenv("VML_CONFIG", str(settings.config))
    area = tmp_path / "fits"
    area.mkdir()
    (area / "fit.py").write_text("def fit(x):\n    return 2 * x\n")
    return area


@pytest.fixture
def client(area: Path) -> Iterator[NotebookClient]:
    client = NotebookClient(new_notebook(), timeout=120, kernel_name="python3")
    with client.setup_kernel(cwd=str(area)):
        yield client


def run(client: NotebookClient, source: str) -> NotebookNode:
    client.nb.cells.append(new_code_cell(source))
    return client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)


def shown(client: NotebookClient, name: str) -> list[dict[str, Any]]:
    """Return the state of the widgets of one kind, as a front end was told."""
    return [state for state in client.widget_state.values() if state.get("_model_name") == name]


def labels(client: NotebookClient, count: int) -> list[str]:
    """Return the list's lines as soon as there are so many.

    nbclient hears what belongs to the cell that it executes, and not what the kernel says to a front end's own message.
    """
    run(client, UNTIL.format(count=count) + "box.list.send_state()")
    [entries] = shown(client, "SelectModel")
    found: list[str] = entries["_options_labels"]
    assert len(found) == count
    return found


def test_a_front_end_with_a_kernel_alone_sees_and_searches_entries(
    client: NotebookClient, area: Path, settings: Settings
) -> None:
    capture(settings, area, title="first fit")
    cell = run(client, "import vml_jupyter as vml\nbox = vml.Logbook()\nbox")
    [output] = cell.outputs
    assert output.data["application/vnd.jupyter.widget-view+json"]["model_id"] in client.widget_state
    assert "first fit" in labels(client, 1)[0]

    capture(settings, area, title="second fit")
    run(client, "box.refresh()")
    assert "second fit" in labels(client, 2)[0]

    [search] = [id for id, state in client.widget_state.items() if state.get("description") == "Search"]
    typed = {"comm_id": search, "data": {"method": "update", "state": {"value": "first"}, "buffer_paths": []}}
    assert client.kc is not None
    client.kc.shell_channel.send(client.kc.session.msg("comm_msg", typed))
    assert "first fit" in labels(client, 1)[0]
    run(client, "box.close()")
