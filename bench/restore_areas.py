"""The working areas of ``make bench-restore``: a notebook of 1 MB beside incompressible files that it does not read.

    <scratch>/area-<MB>/first.ipynb    one cell, which imports numpy, and 1 MB of text
    <scratch>/area-<MB>/<n>.bin        pseudo-random bytes, files of 500 MB at most

Each is made and captured once, and found again by the next run in the same scratch folder.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry

MB = 1_000_000
NOTEBOOK = "first.ipynb"
RELEASE = "4.5.1.0"
_LARGEST = 500 * MB


def entry_of(settings: Settings, scratch: Path, size_bytes: int) -> Entry:
    """Return an entry whose working area has that size."""
    title = f"{size_bytes // MB} MB"
    for entry in list_entries(settings):
        if entry.title == title:
            return entry
    area = scratch / f"area-{size_bytes // MB}"
    area.mkdir()
    _write_notebook(area / NOTEBOOK)
    left = size_bytes
    for number in range(-(-size_bytes // _LARGEST)):
        _write_random(area / f"{number}.bin", min(left, _LARGEST), seed=number)
        left -= _LARGEST
    entry = capture(settings, area, notebook=NOTEBOOK, title=title, release=RELEASE)
    for file in area.glob("*.bin"):
        file.unlink()  # the logbook has them
    return entry


def _write_notebook(path: Path) -> None:
    text = random.Random(1).randbytes(MB // 2).hex()
    lines = "\n".join(text[at : at + 100] for at in range(0, len(text), 100))
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "first",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    cell["source"] = "import numpy\nprint(numpy.__version__)"
    told = {"cell_type": "markdown", "id": "text", "metadata": {}, "source": f"```\n{lines}\n```"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell, told], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook))


def _write_random(path: Path, size_bytes: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("wb") as file:
        for at in range(0, size_bytes, MB):
            file.write(source.randbytes(min(MB, size_bytes - at)))
