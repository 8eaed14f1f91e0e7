"""``vml environment``: what people and programs get to read, and how little it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from environment_trees import tree

from vml_jupyter.cli import main
from vml_jupyter.model import Checkout, Environment, Mount, Release, Software


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VML_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VML_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("VML_RELEASE", raising=False)
    (tmp_path / "area").mkdir()


def test_json_is_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["environment", str(tmp_path / "area"), "--json"]) == 0
    found = msgspec.json.decode(capsys.readouterr().out, type=Environment)
    assert (found.cernvm, found.release, found.git) == (False, None, None)
    assert found.packages["msgspec"] == msgspec.__version__


def test_a_computer_that_is_no_cernvm_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["environment", str(tmp_path / "area")]) == 0
    out = capsys.readouterr().out
    assert "this computer is no CernVM" in out
    assert "entries name one with --release" in out


def test_the_release_that_the_user_chose_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VML_RELEASE", "4.5.0.1")
    assert main.main(["environment", str(tmp_path / "area")]) == 0
    assert "entries get 4.5.0.1, as you set" in capsys.readouterr().out


def test_the_kernel_of_a_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps({"metadata": {"kernelspec": {"name": "julia-9"}}, "cells": [], "nbformat": 4})
    tree(tmp_path / "area", {"a.ipynb": text})
    assert main.main(["environment", str(tmp_path / "area"), "--notebook", "a.ipynb"]) == 0
    assert "no kernel julia-9 is installed here" in capsys.readouterr().out


def test_an_area_that_is_none_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["environment", str(tmp_path / "absent")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_all_that_a_record_holds_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = Environment(
        release=Release(
            system="4.5.0.1", bootloader="2021.05-1", repository="cernvm-prod.cern.ch", root_hash="ab"
        ),
        cernvm=True,
        release_tag="HEAD4",
        os="Scientific Linux 7.9",
        container="apptainer",
        container_image="/cvmfs/unpacked.cern.ch/x",
        cpu="Xeon",
        cpu_flags="sse avx",
        kernelspec="python3",
        software=(Software(name="LCG view", version="LCG_104", platform="x86_64-centos7-gcc11-opt"),),
        cvmfs=(
            Mount(path="/cvmfs/sft.cern.ch", fqrn="sft.cern.ch", revision=7, root_hash="cd", tag="t"),
            Mount(path="/cvmfs/dead.cern.ch", unknown="did not answer within 2 s"),
        ),
        git=Checkout(folder="/a", commit="ef", branch="main", state="dirty", changed=1, untracked=2),
        notes=("something is missing",),
    )
    monkeypatch.setattr("vml_jupyter.flows.surroundings.surroundings", lambda *args, **more: full)
    assert main.main(["environment", str(tmp_path / "area")]) == 0
    out = capsys.readouterr().out
    for told in (
        "CernVM 4.5.0.1, bootloader 2021.05-1",
        "cernvm-prod.cern.ch HEAD4 ab",
        "apptainer /cvmfs/unpacked.cern.ch/x",
        "Xeon, 2 flags",
        "LCG view LCG_104, x86_64-centos7-gcc11-opt",
        "sft.cern.ch, tag t, revision 7, cd",
        "/cvmfs/dead.cern.ch: did not answer within 2 s",
        "ef (main), dirty: 1 changed, 2 untracked",
        "something is missing",
    ):
        assert told in out


def test_it_takes_less_than_two_tenths_of_a_second_of_processor_time(tmp_path: Path) -> None:
    """The limit is absolute, so it is held against what the process computes, whoever else uses this computer."""

    def seconds(*words: str) -> float:
        begun = subprocess.Popen([sys.executable, *words], cwd=tmp_path, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(begun.pid, 0)
        begun.returncode = os.waitstatus_to_exitcode(status)
        assert begun.returncode == 0
        return used.ru_utime + used.ru_stime

    own, python = [], []
    for _ in range(5):
        own.append(seconds("-m", "vml_jupyter.cli.main", "environment", "--json"))
        python.append(seconds("-c", "pass"))
    assert min(own) < 0.2 + min(python)


def test_it_takes_little_beside_the_start_of_a_python_with_jupyter(tmp_path: Path) -> None:
    """A yardstick that shares the load of this computer: importing what every Jupyter program imports."""

    def seconds(*words: str) -> float:
        begun = time.perf_counter()
        subprocess.run(
            [sys.executable, *words], cwd=tmp_path, check=True, capture_output=True, env=os.environ
        )
        return time.perf_counter() - begun

    own, peer = [], []
    for _ in range(3):
        own.append(seconds("-m", "vml_jupyter.cli.main", "environment", "--json"))
        peer.append(seconds("-c", "import jupyter_server.serverapp"))
    assert min(own) < min(peer)
