"""Packs that are filled outside the process that stores them, straight into files.

    blobs -> zstd -> seal -> staging, 2 MiB -> SHA-256, and the file <folder>/<name>
    full  -> sealed header -> FilledPack, whose file the storing process moves into its place

Nothing here knows a store or an index: whoever fills is told which blobs are new. The staging is used over and
over, so that sealed bytes are hashed and written while they are still in the processor's cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import OVERHEAD_BYTES, Buffer, Key
from vml_jupyter.repository.pack import TARGET_BYTES, Kind, PackedBlob, seal_header

_STAGING_BYTES = 2 << 20

_Chosen = tuple[str, Buffer, int]
"""A blob's id, its bytes as they are stored before sealing, and its plain length; 0 for one that is not compressed."""


class Papers(msgspec.Struct, frozen=True):
    """What a process needs to fill packs: the key's bytes, whether to compress, and where files are made.

    ``desk`` is None where any folder will do. Never to be shown: it opens the repository.
    """

    key: bytes
    compress: bool
    desk: str | None

    def __repr__(self) -> str:
        return "Papers(...)"


class FilledPack(msgspec.Struct, frozen=True):
    """A whole pack in a file that is not stored yet."""

    file: str
    id: str
    blobs: list[PackedBlob]


class Filler:
    """Fills one pack after another.

    Args:
        key: The repository's.
        compress: Whether the format allows it.
        folder: Where the files are made.
        prefix: How their names begin.
    """

    def __init__(self, key: Key, compress: bool, folder: Path, prefix: str) -> None:
        self._key = key
        self._compress = compress
        self._folder = folder
        self._prefix = prefix
        self._count = 0
        self._open: _PackFile | None = None
        self._full: list[FilledPack] = []
        self._staging = bytearray(_STAGING_BYTES)

    def add(self, ids: Sequence[str], blobs: Sequence[Buffer], kind: Kind = "data") -> list[int]:
        """Put blobs that are not stored anywhere into packs, and return the bytes each takes."""
        shrunk = encoding.compress_all(blobs) if self._compress else blobs
        chosen = [
            (id, small, len(plain)) if len(small) < len(plain) else (id, plain, 0)
            for id, plain, small in zip(ids, blobs, shrunk, strict=True)
        ]
        for group in _groups(chosen):
            self._seal(group, kind)
        return [len(data) + OVERHEAD_BYTES for _, data, _ in chosen]

    def full(self) -> list[FilledPack]:
        """Return the packs that are full, once."""
        full, self._full = self._full, []
        return full

    def close(self) -> list[FilledPack]:
        """Return what ``full`` did not yet return, and the pack being filled, however little it holds."""
        self._close()
        return self.full()

    def _close(self) -> None:
        if self._open is not None:
            self._full.append(self._open.close(self._key))
            self._open = None

    def _seal(self, group: Sequence[_Chosen], kind: Kind) -> None:
        if self._open is None:
            self._count += 1
            self._open = _PackFile(self._folder / f"{self._prefix}{self._count}", self._staging)
        with self._open.room(sum(len(data) + OVERHEAD_BYTES for _, data, _ in group)) as target:
            self._key.seal_into([data for _, data, _ in group], target)
        self._open.took(group, kind)
        if self._open.size_bytes >= TARGET_BYTES:
            self._close()


def _groups(chosen: Sequence[_Chosen]) -> Iterator[Sequence[_Chosen]]:
    """Deal blobs out so that each group fits into the staging, or is a single one that is larger."""
    begin = size_bytes = 0
    for number, (_, data, _) in enumerate(chosen):
        size_bytes += len(data) + OVERHEAD_BYTES
        if size_bytes > _STAGING_BYTES and number > begin:
            yield chosen[begin:number]
            begin, size_bytes = number, len(data) + OVERHEAD_BYTES
    if begin < len(chosen):
        yield chosen[begin:]


class _PackFile:
    """A pack being filled: staged first, then hashed and written."""

    def __init__(self, file: Path, staging: bytearray) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._staging = staging
        self._staged = 0
        self._digest = hashlib.sha256()
        self._blobs: list[PackedBlob] = []
        self.size_bytes = 0

    def room(self, size_bytes: int) -> memoryview:
        """Return where the next blobs may be sealed into."""
        if self._staged + size_bytes > len(self._staging):
            self._write()
        if size_bytes > len(self._staging):
            self._staging.extend(bytes(size_bytes - len(self._staging)))
        return memoryview(self._staging)[self._staged :]

    def took(self, group: Sequence[_Chosen], kind: Kind) -> None:
        """Count the blobs that were sealed into the room."""
        begin = self.size_bytes
        for id, data, plain_length in group:
            length = len(data) + OVERHEAD_BYTES
            self._blobs.append(PackedBlob(id, kind, self.size_bytes, length, plain_length))
            self.size_bytes += length
        self._staged += self.size_bytes - begin

    def close(self, key: Key) -> FilledPack:
        header = seal_header(key, self._blobs)
        self.room(len(header))[: len(header)] = header
        self._staged += len(header)
        self._write()
        os.close(self._descriptor)
        return FilledPack(str(self._file), self._digest.hexdigest(), self._blobs)

    def _write(self) -> None:
        with memoryview(self._staging)[: self._staged] as staged:
            self._digest.update(staged)
            written = 0
            while written < len(staged):
                written += os.write(self._descriptor, staged[written:])
        self._staged = 0
