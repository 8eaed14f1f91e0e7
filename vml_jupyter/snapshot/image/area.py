"""A working area as a disk: read any bytes of an ISO 9660 image that nobody ever wrote.

    tree --Layout--> | metadata (kept) || data area (blobs, fetched when read) |     read(offset, length) -> bytes

``write`` puts the same bytes into a file, for hypervisors that cannot read from a URL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from types import TracebackType

import msgspec

from vml_jupyter.errors import LogbookDamaged, VmlError
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository.node import Node
from vml_jupyter.snapshot.image.blobs import BlobCache
from vml_jupyter.snapshot.image.file import write_new
from vml_jupyter.snapshot.image.kept import Kept
from vml_jupyter.snapshot.image.layout import VERSION, Layout, Owner
from vml_jupyter.snapshot.image.numbers import BLOCK_BYTES
from vml_jupyter.snapshot.image.source import Source

_ROOT = Node(name="area", type="dir", mode=1 << 31 | 0o755)
_AHEAD_BYTES = 16 << 20
_AHEAD_BLOBS = 32
_PREFETCHED_BYTES = 48 << 20
"""Less than what the cache keeps: the machine that starts may read other things meanwhile."""
_TOGETHER_BYTES = 4 << 20
_STREAMS = 16
_ZEROS = bytes(BLOCK_BYTES)
_WRITE_BYTES = 4 << 20


class AreaImage:
    """Compute the image of ``tree`` and serve its bytes; reads may come from several threads.

    Args:
        source: Where trees and blobs come from, for instance a repository.
        tree: The tree id of the working area.
        uid: Who shall own everything in the guest; None keeps what the snapshot says.
        gid: Likewise for the group.
        root: The node of the working area itself, for its mode, time and owner; a plain folder if None.
        kept: Where layouts are kept, so that the same one is not computed again; None keeps none.

    Attributes:
        size: Bytes of the image, a multiple of 2048.
        data_start: Offset behind which only bytes of files lie.
        etag: Names the bytes: equal for the same tree, owner and root, in every process. Without quotes.
        files: How many files, links and devices there are.
        clipped: Names of which Linux shows only the first 253 bytes (the first hundred of them).

    Raises:
        Foreign: The trees break their format, or hold more than an image can.
    """

    def __init__(
        self,
        source: Source,
        tree: str,
        *,
        uid: int | None = None,
        gid: int | None = None,
        root: Node | None = None,
        kept: Kept | None = None,
    ) -> None:
        root = root or _ROOT
        self.etag = _etag(tree, uid, gid, root)
        layout = kept.layout(self.etag) if kept else None
        if layout is None:
            layout = Layout(source, tree, root, Owner(uid, gid))
            if kept:
                kept.keep_layout(self.etag, layout)
        self._source = source
        self._metadata = layout.metadata
        self._extents = layout.extents
        self._blobs = BlobCache(self._fetch)
        self._following = Lock()
        self._runs: dict[int, _Run] = {}  # by where reading stopped
        self.size = layout.blocks * BLOCK_BYTES
        self.data_start = len(layout.metadata)
        self.files = layout.files
        self.clipped = tuple(layout.clipped)

    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset`` on, fewer only where the image ends.

        Raises:
            LogbookDamaged: A blob is absent, or not what its file says.
            ValueError: A number is negative.
        """
        parts = self.views(offset, length)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def views(self, offset: int, length: int) -> list[memoryview]:
        """Return what ``read`` returns, in pieces and without copying it.

        Raises:
            LogbookDamaged: A blob is absent, or not what its file says.
            ValueError: A number is negative.
        """
        if offset < 0 or length < 0:
            raise ValueError(f"no such part of an image: {length} bytes at {offset}")
        end = min(offset + length, self.size)
        parts: list[memoryview] = []
        if offset < self.data_start:
            parts.append(memoryview(self._metadata)[offset : min(end, self.data_start)])
        start, stop = max(0, offset - self.data_start), end - self.data_start
        if start < stop:
            parts += self._data(start, stop)
            self._read_ahead(offset, end)
        return parts

    def is_at_hand(self, offset: int, length: int) -> bool:
        """Say whether a part can be given without asking the source for blobs."""
        start, stop = max(0, offset - self.data_start), min(offset + length, self.size) - self.data_start
        pieces = self._extents.pieces(self._source, start, stop) if start < stop else ()
        return all(not id or self._blobs.keeps(id) for id, _, _ in pieces)

    def touched(self) -> list[str]:
        """Return the blobs that were read, in the order in which they were first asked for: for ``prefetch``."""
        return self._blobs.touched()

    def prefetch(self, ids: Iterable[str]) -> int:
        """Fetch blobs before anybody asks for them, neighbours together; return how many bytes that were.

        What cannot be had is left for whoever asks for it.
        """
        fetched = 0
        for batch in self._batches(ids):
            try:
                blobs = self._source.blobs(batch)
            except VmlError:
                continue
            for id, blob in zip(batch, blobs, strict=True):
                self._blobs.put(id, bytes(blob))
                fetched += len(blob)
        return fetched

    def _batches(self, ids: Iterable[str]) -> Iterable[list[str]]:
        """Cut blobs that are not here yet into lots to fetch at once, no more of them than can be kept."""
        batch: list[str] = []
        total, size = 0, 0
        for id in ids:
            length = self._length(id)
            if length is None or self._blobs.keeps(id):
                continue
            total += length
            if total > _PREFETCHED_BYTES:
                break
            batch.append(id)
            size += length
            if size >= _TOGETHER_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _length(self, id: str) -> int | None:
        try:
            return self._source.blob_size(id)
        except VmlError:  # of another state of the logbook
            return None

    def write(self, path: Path, progress: Progress = SILENT, *, overwrite: bool = False) -> None:
        """Write the whole image to a new file; nothing is left behind unless all of it is there.

        With ``overwrite`` it takes the place of a file that is there, once it is whole.

        Raises:
            WouldOverwrite: There is something at ``path``.
            DiskFull: It does not fit.
            LogbookDamaged: A blob is absent, or not what its file says.
        """
        pieces = (self.read(at, _WRITE_BYTES) for at in range(0, self.size, _WRITE_BYTES))
        write_new(path, pieces, self.size, progress, overwrite=overwrite)

    def close(self) -> None:
        """End the read-ahead and give back the memory of the blobs."""
        self._blobs.close()

    def __enter__(self) -> AreaImage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _data(self, start: int, stop: int) -> list[memoryview]:
        parts: list[memoryview] = []
        for id, begin, end in self._extents.pieces(self._source, start, stop):
            if not id:
                parts.append(
                    memoryview(_ZEROS[: end - begin] if end - begin <= BLOCK_BYTES else bytes(end - begin))
                )
                continue
            parts.append(memoryview(self._blobs.get(id))[begin:end])
        return parts

    def _fetch(self, id: str) -> bytes:
        blob = self._source.blob(id)
        if len(blob) != self._source.blob_size(id):
            raise LogbookDamaged(
                f"the blob {id[:16]} has another length than the index says",
                "Run vml check --read-data",
            )
        return blob

    def _read_ahead(self, offset: int, end: int) -> None:
        """Fetch what comes next, where this read began where another had ended: the more, the longer that has gone on.

        So a notebook costs little more than itself, and a large file is decoded well ahead of its reader.
        """
        with self._following:
            run = self._runs.pop(offset, None) or _Run(0, 0)
            continues = run.length > 0
            run = self._runs[end] = _Run(run.length + end - offset, max(run.asked, end))
            while len(self._runs) > _STREAMS:
                del self._runs[next(iter(self._runs))]
        wanted = min(_AHEAD_BYTES, run.length)
        if (
            not continues or run.asked - end > wanted // 2
        ):  # asked in lots: a reader asks for much smaller pieces
            return
        start = run.asked - self.data_start
        stop = min(end + wanted, self.size) - self.data_start
        pieces = list(islice(self._extents.pieces(self._source, start, stop), 2 * _AHEAD_BLOBS))
        taken = self._blobs.ahead(piece.blob for piece in pieces if piece.blob)
        for piece in pieces:
            if piece.blob:
                taken -= 1
            if taken < 0:
                break
            run.asked += piece.stop - piece.start


@dataclass
class _Run:
    """A reading in a row: how many bytes it has come to, and the offset up to which more is under way."""

    length: int
    asked: int


def _etag(tree: str, uid: int | None, gid: int | None, root: Node) -> str:
    what = msgspec.json.encode([VERSION, tree, uid, gid, root])
    return hashlib.sha256(what).hexdigest()[:32]
