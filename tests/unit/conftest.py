"""What the tests share that boot nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vml_jupyter.repository import Repository, memory_store


@pytest.fixture
def repository() -> Iterator[Repository]:
    """A new repository in memory."""
    repository = Repository.create(memory_store(), "password", scrypt_n=1024)
    yield repository
    repository.close()
