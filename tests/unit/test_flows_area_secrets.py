"""Likely secrets of a working area: where they are found, and that files which are left out stay out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vml_jupyter.errors import BadArea
from vml_jupyter.flows.area_secrets import area_secrets
from vml_jupyter.flows.leaving import leave_out
from vml_jupyter.snapshot import survey

KEY = "AKIA" + "QWERTYUIOPASDFGH"


def test_they_are_found_in_files_and_cells_but_not_in_what_stays_out(tmp_path: Path) -> None:
    area = tmp_path / "area"
    (area / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text(KEY)
    (area / "link").symlink_to(tmp_path / "outside")
    (area / "sub" / "fit.py").write_text(f'x = 1\nclient(key="{KEY}")\n')
    cells = [{"cell_type": "code", "source": f"'{KEY}'", "outputs": [], "metadata": {}}]
    (area / "fit.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    (area / "hidden.py").write_text(KEY)
    (area / ".vmlignore").write_text("hidden.py\n")
    scan = area_secrets(area, time_s=60)
    assert {(one.path, one.where) for one in scan.found} == {
        ("sub/fit.py", "line 2"),
        ("fit.ipynb", "cell 1"),
    }
    assert KEY not in str(scan), "the secret itself is told to nobody"
    assert scan.unseen == {}


def test_what_was_not_looked_into_in_time_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(KEY)
    scan = area_secrets(tmp_path, time_s=-1)
    assert (scan.found, scan.unseen) == ((), {"time": 1})


@pytest.mark.parametrize(
    "name", ["plain.pem", "my key.pem", "a[1]*?.txt", "#hash", "!bang", "trailing ", "sub/dir/x\\y", "größe"]
)
def test_what_is_left_out_stays_out_and_nothing_else(tmp_path: Path, name: str) -> None:
    for one in (name, "other", "sub/plain.pem"):
        (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one).write_text("x")
    (tmp_path / ".vmlignore").write_text("*.tmp")
    leave_out(tmp_path, [name])
    leave_out(tmp_path, [name])
    assert survey(tmp_path).files == 3, ".vmlignore and the two others"
    lines = (tmp_path / ".vmlignore").read_text().splitlines()
    assert (lines[0], len(lines)) == ("*.tmp", 2)


@pytest.mark.parametrize("name", ["", "../x", "/x", "a//b", "a\nb", "./a"])
def test_what_names_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadArea):
        leave_out(tmp_path, [name])
    assert not (tmp_path / ".vmlignore").exists()


def test_rules_are_not_written_through_a_link(tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (area / ".vmlignore").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadArea):
        leave_out(area, ["x"])
    assert not (tmp_path / "elsewhere").exists()
