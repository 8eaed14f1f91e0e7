"""What a working area says about its notebook."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from vml_jupyter.errors import BadNotebook
from vml_jupyter.flows.notebooks import checked_notebook, proposed_title


def write(file: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_markdown_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), file)


def test_the_title_is_the_first_heading(tmp_path: Path) -> None:
    write(tmp_path / "n.ipynb", "words", "more\n## A *fit*\n# Later")
    assert proposed_title(tmp_path, "n.ipynb") == "A *fit*"
    write(tmp_path / "m.ipynb", "words", "#")
    assert proposed_title(tmp_path, "m.ipynb") == "m"
    assert proposed_title(tmp_path, "") == tmp_path.name


def test_a_notebook_of_an_old_format_is_one(tmp_path: Path) -> None:
    heading = {"cell_type": "heading", "level": 1, "metadata": {}, "source": ["Old times"]}
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [heading]}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    assert checked_notebook(tmp_path, "old.ipynb") == "old.ipynb"
    assert proposed_title(tmp_path, "old.ipynb") == "Old times"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "{", '{"nbformat": 4}', '{"nbformat": 4, "cells": 3}', "\xff"]
)
def test_what_is_no_notebook_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "n.ipynb").write_text(text, "latin-1")
    with pytest.raises(BadNotebook) as raised:
        checked_notebook(tmp_path, "n.ipynb")
    assert raised.value.hint


def test_the_name_is_relative_to_the_area_whatever_it_was_given_as(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "n.ipynb")
    for name in ("deep/n.ipynb", "./deep/../deep/n.ipynb", str(tmp_path / "deep" / "n.ipynb")):
        assert checked_notebook(tmp_path, name) == "deep/n.ipynb"
