"""A store that reads and does not write: what would be stored is let go, and nothing is removed.

    put -> counted and forgotten      delete -> nothing      list("locks") -> nobody

So all that a writer does can be done to see what comes of it, with the same code and to the same byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vml_jupyter.repository.store import Store


class Rehearsal:
    """A Store over another one, whose files alone are read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.label = store.label
        self.is_remote = store.is_remote

    def get(self, name: str) -> bytes:
        return self._store.get(name)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._store.get_range(name, offset, length)

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        return None

    def create(self, name: str, content: bytes) -> None:
        return None

    def list(self, folder: str) -> Iterator[str]:
        """Yield what is there; locks are others' agreement about writing, and here nobody writes."""
        return iter(()) if folder == "locks" else self._store.list(folder)

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        return self._store.sizes(folder)

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        return iter(()) if folder == "locks" else self._store.times(folder)

    def delete(self, name: str) -> None:
        return None
