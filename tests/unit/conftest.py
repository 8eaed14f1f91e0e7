"""What the tests share that boot nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vml_jupyter.repository import Repository, memory_store


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing reach the logbook and the settings of who runs the tests, whatever a test leaves out."""
    monkeypatch.setenv("VML_DATA", str(tmp_path / "user" / "data"))
    monkeypatch.setenv("VML_CONFIG", str(tmp_path / "user" / "config"))


@pytest.fixture
def repository() -> Iterator[Repository]:
    """A new repository in memory."""
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    yield repository
    repository.close()
