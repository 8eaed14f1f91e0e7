"""What a capture records of its surroundings: the kernel's, by whichever door it comes in."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from environment_trees import KINDS, commit, program, tree

from vml_jupyter.environment import describe
from vml_jupyter.environment.packages import packages_in
from vml_jupyter.errors import RepositoryUnreachable
from vml_jupyter.flows import capture as capturing
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import find_entry
from vml_jupyter.flows.settings import Settings
from vml_jupyter.progress import Stopwatch


@pytest.fixture
def area(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout with a notebook, whose kernel is another Python with one package."""
    (tmp_path / "site/coffea-0.7.22.dist-info").mkdir(parents=True)
    answer = json.dumps(["3.9.1", [str(tmp_path / "site")]])
    python = program(tmp_path / "bin/python3", f"echo '{answer}'")
    tree(
        tmp_path,
        {
            "data/kernels/analysis/kernel.json": json.dumps({"argv": [str(python)], "language": "python"}),
            "area/a.ipynb": json.dumps(
                {"metadata": {"kernelspec": {"name": "analysis"}}, "cells": [], "nbformat": 4}
            ),
        },
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    commit(tmp_path / "area")
    return tmp_path / "area"


def test_a_server_records_the_kernels_python_and_the_areas_commit(settings: Settings, area: Path) -> None:
    entry = capture(settings, area, notebook="a.ipynb")
    recorded = find_entry(settings, entry.id).environment
    assert (recorded.python, recorded.packages) == ("3.9.1", {"coffea": "0.7.22"})
    assert recorded.git is not None
    assert (recorded.git.state, recorded.git.untracked) == ("dirty", 1)
    assert (recorded.cernvm, recorded.release) == (False, None)


def test_in_the_kernel_this_process_is_recorded(settings: Settings, area: Path) -> None:
    recorded = capture(settings, area, notebook="a.ipynb", in_kernel=True).environment
    assert (recorded.kernelspec, recorded.interpreter) == ("analysis", sys.executable)
    assert recorded.packages == packages_in(sys.path)


def test_what_could_not_be_told_is_said_at_once_and_kept(settings: Settings, area: Path) -> None:
    (area.parent / "data/kernels/analysis/kernel.json").unlink()
    watch = Stopwatch()
    entry = capture(settings, area, notebook="a.ipynb", progress=watch)
    assert list(entry.environment.notes) == watch.notes
    assert "no kernel analysis is installed here" in watch.notes[0]


def test_on_a_cernvm_no_release_is_looked_for_and_elsewhere_it_is(
    settings: Settings, area: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings.using(default_release="4.5.0.1")  # and no repository answers
    with pytest.raises(RepositoryUnreachable):
        capture(chosen, area, notebook="a.ipynb")
    files = {name: text for name, text in KINDS["cernvm-4"].files.items() if name != "proc/mounts"}
    monkeypatch.setattr(capturing, "describe", partial(describe, tree(tmp_path / "cernvm", files), {}))
    recorded = capture(chosen, area, notebook="a.ipynb").environment
    assert (recorded.cernvm, recorded.release_chosen) == (True, False)
    assert recorded.release is not None
    assert recorded.release.bootloader == "2021.05-1"
