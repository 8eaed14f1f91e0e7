"""What a user is told of what was not captured, and the files-only way back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ordinary import ordinary_user

from vml_jupyter.cli.main import main


@pytest.fixture
def once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Do it all once before: where root becomes somebody else, that one could not import any more."""
    monkeypatch.delenv("VML_LOGBOOK", raising=False)
    for name in ("VML_DATA", "VML_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "before" / name))
    (tmp_path / "first").mkdir()
    assert main(["snapshot", str(tmp_path / "first"), "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["entry"]
    assert main(["restore", entry, "--to", str(tmp_path / "first back")]) == 0
    for name in ("VML_DATA", "VML_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def area(once: None, tmp_path: Path) -> Iterator[Path]:
    """An area with a file and a folder that may not be read; root becomes somebody who may not."""
    area = tmp_path / "area"
    (area / "closed").mkdir(parents=True)
    (area / "readable").write_text("x")
    (area / "secret").write_text("x")
    (area / "secret").chmod(0)
    (area / "closed").chmod(0)
    with ordinary_user(tmp_path):
        yield area
    (area / "closed").chmod(0o700)


def test_what_could_not_be_read_is_counted(
    area: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["snapshot", str(area), "--cross-mounts", "--json"]) == 0
    told = capsys.readouterr()
    captured = json.loads(told.out)
    assert (captured["files"], captured["unreadable"]) == (1, 2)
    assert "secret: Permission denied" in told.err
    assert "closed/: Permission denied" in told.err
    assert main(["snapshot", str(area)]) == 0
    assert "2 could not be read, whole or in part" in capsys.readouterr().out
    assert main(["restore", captured["entry"], "--to", str(tmp_path / "back"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 1
    assert sorted(os.listdir(tmp_path / "back")) == ["closed", "readable"]
