"""The last plot of an entry: found from the end, small, and of a kind that holds pixels only."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from vml_jupyter.errors import NotFound
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.thumbnail import last_plot

PNG = b"\x89PNG\r\n\x1a\n"


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def plot(settings: Settings, area: Path, *outputs: dict[str, Any]) -> str | None:
    cells = [
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "display_data", "data": data}]}
        for data in outputs
    ]
    area.mkdir(exist_ok=True)
    (area / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    found = last_plot(settings, capture(settings, area, notebook="n.ipynb").id)
    return f"{found.mime} {base64.b64decode(found.data).decode('latin-1')}" if found else None


def test_the_last_one_is_found(settings: Settings, tmp_path: Path) -> None:
    area = tmp_path / "area"
    first, last = {"image/png": text(PNG + b"1")}, {"image/png": [text(PNG + b"2")], "text/plain": "x"}
    assert plot(settings, area, first, last, {"text/plain": "y"}) == "image/png \x89PNG\r\n\x1a\n2"


@pytest.mark.parametrize(
    "data",
    [
        {"text/html": "<img>"},
        {"image/svg+xml": "<svg/>"},
        {"image/png": text(b"<svg onload='x'/>")},
        {"image/png": text(b"<html>")},
        {"image/png": "no base64!"},
        {"image/png": {"a": 1}},
        {"image/png": [1, 2]},
        {"image/png": text(PNG + bytes(1 << 20))},
    ],
    ids=["html", "svg", "svg-in-png", "html-in-png", "no-base64", "object", "numbers", "large"],
)
def test_what_is_no_small_picture_is_none(settings: Settings, tmp_path: Path, data: dict[str, Any]) -> None:
    assert plot(settings, tmp_path / "area", data) is None


def test_an_entry_without_a_notebook_has_none_and_one_that_is_not_there_is_said(
    settings: Settings, tmp_path: Path
) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (area / "x.txt").write_text("no notebook")
    assert last_plot(settings, capture(settings, area).id) is None
    with pytest.raises(NotFound):
        last_plot(settings, "0" * 12)
