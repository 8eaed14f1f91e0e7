"""The way in: plain bytes become sealed blobs, blobs become packs, packs become an index file.

    save_blob (any thread) -> SHA-256 -> known? -> zstd -> seal -> open pack -> [uploader threads] -> store
    flush                  -> last packs -> wait for the uploads -> index file

Packs are stored before the index names them; nothing here writes a snapshot, so a crash at any byte
leaves packs that nobody names, which ``restic prune`` removes. Hashing, compression and encryption run in
the caller's thread without the interpreter's lock, so several callers use several cores.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from vml_jupyter.errors import VmlError
from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Buffer, Key, Sealed
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.filling import FilledPack
from vml_jupyter.repository.index import BLOBS_PER_FILE, Index, IndexPack, encode_index, split
from vml_jupyter.repository.pack import TARGET_BYTES, Kind, OpenPack, pack_name
from vml_jupyter.repository.store import LocalFolder, Store
from vml_jupyter.repository.turn import turn

_UPLOADERS = 2
_PACKS_IN_FLIGHT = 4  # bounds memory: 64 MiB of packs that wait for the disk or the network


class Writer:
    """Stores blobs that the index does not know yet. Safe between threads."""

    def __init__(self, store: Store, key: Key, documents: Documents, index: Index) -> None:
        self._store = store
        self._key = key
        self._documents = documents
        self._index = index
        self._mutex = threading.Lock()
        self._open = _no_packs()
        self._claimed: dict[Kind, set[str]] = _no_claims()
        self._stored: list[IndexPack] = []
        self._failure: VmlError | None = None
        self._uploads: list[Future[None]] = []
        self._slots = threading.BoundedSemaphore(_PACKS_IN_FLIGHT)
        self._uploaders = ThreadPoolExecutor(_UPLOADERS, thread_name_prefix="vml-upload")
        self._compress = documents.version >= 2

    def save(
        self, blobs: Sequence[bytes | memoryview], kind: Kind, *, novel: bool = False
    ) -> list[tuple[str, int]]:
        """Store blobs and return for each its id and the bytes it takes, 0 where it was there already.

        Args:
            blobs: Their bytes.
            kind: What they all are.
            novel: The index is not asked, because it cannot know them.
        """
        many = len(blobs) > 1
        with turn(many):
            ids = [hashlib.sha256(blob).hexdigest() for blob in blobs]
            new = [position for position, id in enumerate(ids) if self._claim(kind, id, novel)]
        shrunk = self._shrink([blobs[position] for position in new])
        with turn(many):
            sealed = [
                (ids[position], self._key.seal(data), plain)
                for position, (data, plain) in zip(new, shrunk, strict=True)
            ]
        stored = dict(zip(new, self._append(kind, sealed), strict=True))
        return [(id, stored.get(position, 0)) for position, id in enumerate(ids)]

    def claim(self, ids: Sequence[str]) -> list[bool]:
        """Reserve data blobs for whoever fills packs elsewhere; False where one is stored or reserved already."""
        known = self._index.all_known("data", ids)
        with self._mutex:
            claimed = self._claimed["data"]
            wanted = []
            for id, is_known in zip(ids, known, strict=True):
                wanted.append(not is_known and id not in claimed)
                if wanted[-1]:
                    claimed.add(id)
            return wanted

    def disclaim(self, ids: Iterable[str]) -> None:
        """Give back what was reserved and will not come."""
        with self._mutex:
            self._claimed["data"].difference_update(ids)

    def adopt(self, pack: FilledPack) -> None:
        """Store a pack that was filled elsewhere."""
        self._upload(pack)

    def await_packs(self) -> None:
        """Return when no pack is being stored any more; one that failed is told of by whoever saves or flushes next."""
        with self._mutex:
            uploads = list(self._uploads)
        wait(uploads)

    def flush(self) -> None:
        """Return when everything saved so far is stored and indexed.

        Raises:
            StoreUnreachable, DiskFull: A pack or the index could not be stored; the work that saved it must
                be done again.
        """
        with self._mutex:
            packs = [pack for pack in self._open.values() if pack.blobs]
            self._open = _no_packs()
        for pack in packs:
            self._upload(pack)
        self.settle()

    def settle(self) -> None:
        """Wait for the uploads and index what is stored; blobs of packs that are not full stay in memory.

        Raises:
            StoreUnreachable, DiskFull: As for ``flush``.
        """
        with self._mutex:
            uploads, self._uploads = self._uploads, []
        wait(uploads)
        self._raise_failure()
        for upload in uploads:
            upload.result()
        self._write_index()

    def recover(self) -> None:
        """Forget a failure and all that was not indexed when it happened: it will be saved again."""
        with self._mutex:
            if self._failure is not None:
                self._failure = None
                self._claimed = _no_claims()
                self._stored = []
                self._open = _no_packs()

    def close(self) -> None:
        self._uploaders.shutdown(wait=True)

    def _claim(self, kind: Kind, id: str, novel: bool = False) -> bool:
        """Reserve a blob for the calling thread; False where it is stored or another thread stores it."""
        if not novel:
            if self._index.knows(kind, id):
                return False
            self._index.require_whole()
        with self._mutex:
            claimed = self._claimed[kind]
            before = len(claimed)
            claimed.add(id)
            return len(claimed) > before

    def _shrink(self, blobs: list[bytes | memoryview]) -> list[tuple[Buffer, int]]:
        """Compress what gets shorter by it; the second value is the plain length of compressed data, else 0."""
        if not self._compress:
            return [(blob, 0) for blob in blobs]
        pairs = zip(blobs, encoding.compress_all(blobs), strict=True)
        return [(small, len(blob)) if len(small) < len(blob) else (blob, 0) for blob, small in pairs]

    def _append(self, kind: Kind, sealed: list[tuple[str, Sealed, int]]) -> list[int]:
        """Put sealed blobs into the open pack and return the bytes each takes."""
        full: list[OpenPack] = []
        lengths: list[int] = []
        with self._mutex:
            for id, pieces, plain in sealed:
                pack = self._open[kind]
                lengths.append(pack.append(id, pieces, plain))
                if pack.size_bytes >= TARGET_BYTES:
                    full.append(pack)
                    self._open[kind] = OpenPack(kind)
        for pack in full:
            self._upload(pack)
        return lengths

    def _upload(self, pack: OpenPack | FilledPack) -> None:
        self._slots.acquire()
        future = self._uploaders.submit(self._store_pack, pack)
        with self._mutex:
            self._uploads = [upload for upload in self._uploads if not _succeeded(upload)] + [future]
            enough = sum(len(stored.blobs) for stored in self._stored) >= BLOBS_PER_FILE
        self._raise_failure()
        if enough:
            self._write_index()

    def _store_pack(self, pack: OpenPack | FilledPack) -> None:
        """Store a pack, in an uploader thread; a failure is kept for whoever saves or flushes next."""
        try:
            id = self._put(pack)
            with self._mutex:
                self._stored.append(IndexPack(id, pack.blobs))
        except VmlError as error:
            self._failure = error
        finally:
            self._slots.release()

    def _put(self, pack: OpenPack | FilledPack) -> str:
        if isinstance(pack, OpenPack):
            id, pieces = pack.close(self._key)
            self._store.put(pack_name(id), pieces)
            return id
        file = Path(pack.file)
        if isinstance(self._store, LocalFolder):
            self._store.adopt(pack_name(pack.id), file)
        else:
            self._store.put(pack_name(pack.id), [file.read_bytes()])
            file.unlink()
        return pack.id

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write_index(self) -> None:
        """Name the packs stored so far, so that what took hours survives an interruption."""
        with self._mutex:
            stored, self._stored = self._stored, []
        for packs in split(stored):
            try:
                name = self._documents.save("index", encode_index(packs))
            except VmlError as error:
                self._failure = error
                raise
            self._index.add(name, packs)
            with self._mutex:
                for pack in packs:
                    for blob in pack.blobs:
                        self._claimed[blob.type].discard(blob.id)


def _succeeded(upload: Future[None]) -> bool:
    return upload.done() and upload.exception() is None


def _no_claims() -> dict[Kind, set[str]]:
    return {"data": set(), "tree": set()}


def _no_packs() -> dict[Kind, OpenPack]:
    return {"data": OpenPack("data"), "tree": OpenPack("tree")}
