"""A logbook in a new bucket, seen through the proxy, and ``vml`` for it: what the tests of buckets share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from radosgw import Gateway
from s3_proxy import Traffic

from integration.s3.scene import MIB, PASSWORD, Run


@pytest.fixture
def place(gateway_of_ceph: Gateway, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket seen through the proxy, and its keys in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in gateway_of_ceph.environ().items():
        monkeypatch.setenv(name, value)
    bucket = gateway_of_ceph.make_bucket()
    return f"s3:{traffic.endpoint}/{bucket}/logbook of mine"


@pytest.fixture
def vml(place: str, tmp_path: Path) -> Run:
    """``vml`` in a process of its own, with nothing of the user's."""

    def run(*words: str | Path, ok: bool = True, before: tuple[str, ...] = (), **changes: str):
        environ = {
            **os.environ,
            "VML_LOGBOOK": place,
            "VML_LOGBOOK_PASSWORD": PASSWORD,
            "VML_DATA": str(tmp_path / "data"),
            "VML_CONFIG": str(tmp_path / "config"),
            "HOME": str(tmp_path),
            **changes,
        }
        command = [*before, sys.executable, "-m", "vml_jupyter.cli.main", *map(str, words), "--json"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
        assert not ok or done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """Two hundred small files, a large one, and a notebook of 1 MB."""
    area = tmp_path / "area"
    for number in range(200):
        folder = area / f"package {number % 20}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_bytes(os.urandom(2000))
    (area / "events.bin").write_bytes(os.urandom(20 * MIB))
    (area / "changing.bin").write_bytes(os.urandom(1_000_000))
    output = {"output_type": "stream", "name": "stdout", "text": os.urandom(500_000).hex()}
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": "1", "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (area / "analysis.ipynb").write_text(json.dumps(notebook))
    return area
