"""A store that counts what is read from it, and is otherwise the one that it stands before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

from vml_jupyter.repository.store import Store


class Metered:
    """A Store; ``read_bytes`` and ``reads`` say how much was asked for, and how often."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self.label = store.label
        self.is_remote = store.is_remote
        self.read_bytes = self.reads = 0

    def get(self, name: str) -> bytes:
        return self._counted(self._store.get(name))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._counted(self._store.get_range(name, offset, length))

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        self._store.put(name, pieces)

    def create(self, name: str, content: bytes) -> None:
        self._store.create(name, content)

    def list(self, folder: str) -> Iterator[str]:
        return self._store.list(folder)

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        return self._store.sizes(folder)

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        return self._store.times(folder)

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def _counted(self, content: bytes) -> bytes:
        with self._lock:
            self.reads += 1
            self.read_bytes += len(content)
        return content
