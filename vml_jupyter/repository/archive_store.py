"""The repository in an archive, as a store: read as it lies there, written by appending.

Locks are kept in memory: nobody else writes a file that has no name yet, and nobody removes anything from one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from vml_jupyter.errors import Foreign, StoreUnreachable
from vml_jupyter.repository.archive import TIME, Archive
from vml_jupyter.repository.archive_headers import REPOSITORY

_LARGEST_BYTES = 256 << 20


class ArchiveStore:
    """The repository in an archive, as a Store."""

    is_remote = False

    def __init__(self, archive: Archive) -> None:
        self.label = archive.label
        self._archive = archive
        self._locks: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        if name in self._locks:
            return self._locks[name]
        offset, length = self._place(name)
        if length > _LARGEST_BYTES:  # only packs are larger, and those are read in parts
            raise Foreign(f"{name} in {self.label} is too large to be read", "Get the file again.")
        return self._archive.pread(offset, length)

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        start, size = self._place(name)
        at = min(offset, size)
        return self._archive.pread(start + at, min(length, size - at))

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        if name.startswith("locks/"):
            self._locks[name] = b"".join(pieces)
        elif REPOSITORY + name not in self._archive.members:
            self._archive.add(REPOSITORY + name, pieces)

    def create(self, name: str, content: bytes) -> None:
        if REPOSITORY + name in self._archive.members:
            raise FileExistsError(name)
        self.put(name, [content])

    def list(self, folder: str) -> Iterator[str]:
        return (name for name, _ in self.sizes(folder))

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        if folder == "locks":
            yield from ((name.rpartition("/")[2], len(content)) for name, content in self._locks.items())
        for name, (_, size) in list(self._archive.members.items()):
            if name.startswith(f"{REPOSITORY}{folder}/"):
                yield name.rpartition("/")[2], size

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        return ((name, float(TIME)) for name in self.list(folder))

    def delete(self, name: str) -> None:
        if not name.startswith("locks/"):
            raise StoreUnreachable(f"nothing can be removed from {self.label}", "Write it anew")
        with suppress(KeyError):
            del self._locks[name]

    def _place(self, name: str) -> tuple[int, int]:
        try:
            return self._archive.members[REPOSITORY + name]
        except KeyError:
            raise FileNotFoundError(name) from None
