"""What lies in the packs of a repository: blobs and trees, by their ids, in and out.

    bytes  --save-->  id      id  --blob, tree-->  bytes, nodes

Whoever saves holds the repository's lock, see ``Repository``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.cipher import Buffer, Key
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.filling import FilledPack, Papers
from vml_jupyter.repository.index import Index
from vml_jupyter.repository.node import Node, decode_tree, encode_tree
from vml_jupyter.repository.pack import Kind, PackedBlob
from vml_jupyter.repository.reader import Reader
from vml_jupyter.repository.rescue import Rescue
from vml_jupyter.repository.store import LocalFolder, Store
from vml_jupyter.repository.unpack import Hand
from vml_jupyter.repository.writer import Writer

_CACHED_NODES = 200_000


class Blobs:
    """The blobs and trees of one repository. Safe between threads."""

    def __init__(self, store: Store, key: Key, documents: Documents) -> None:
        self._store = store
        self._key = key
        self._documents = documents
        self._index = Index(lambda: documents.names("index"), documents.load_index)
        self._rescue = Rescue(store, key, documents, self._index)
        self._reader = Reader(store, key, self._index, self._rescue.places)
        self._writer = Writer(store, key, documents, self._index)
        self._trees: OrderedDict[str, tuple[Node, ...]] = OrderedDict()
        self._cached_nodes = 0
        self._mutex = threading.Lock()
        self._vouched: set[tuple[Kind, str]] = set()
        self._hand = Hand(str(store.folder), key.to_bytes()) if isinstance(store, LocalFolder) else None

    def tree(self, id: str) -> tuple[Node, ...]:
        """Return the nodes of a tree, from memory where it was read lately.

        Raises:
            LogbookDamaged: It is missing or broken.
        """
        with self._mutex:
            if id in self._trees:
                self._trees.move_to_end(id)
                return self._trees[id]
        try:
            nodes = decode_tree(self._reader.read(id, "tree"))
        except msgspec.DecodeError as error:
            raise LogbookDamaged(f"the tree {id[:12]} in {self._store.label} is no tree: {error}") from error
        self._remember(id, nodes)
        return nodes

    def read_trees(self, ids: Sequence[str]) -> list[Buffer]:
        """Return the bytes of tree blobs, as they are.

        Raises:
            LogbookDamaged: One is missing or broken.
        """
        return self._reader.read_all(ids, "tree")

    def blob(self, id: str) -> bytes:
        """Return a data blob, checked by its id.

        Raises:
            LogbookDamaged: It is missing or broken.
        """
        return self._reader.read(id, "data")

    def blobs(self, ids: Sequence[str]) -> list[Buffer]:
        """Return many data blobs, as ``blob`` would one by one; faster where they are small.

        Raises:
            LogbookDamaged: One is missing or broken.
        """
        return self._reader.read_all(ids, "data")

    def place(self, id: str) -> tuple[str, PackedBlob]:
        """Return the pack of a data blob and where in it that lies, from the index alone.

        Raises:
            LogbookDamaged: No index file names it, or what that says cannot be.
        """
        return self._reader.place(id, "data")

    def hand(self) -> Hand | None:
        """Return what another process needs to read blobs, None where they come over a network."""
        return self._hand

    def blob_size(self, id: str) -> int:
        """Return the bytes of a data blob, from the index alone."""
        return self._reader.size(id, "data")

    def has_blob(self, id: str, kind: Kind = "data") -> bool:
        """Tell whether a blob is stored, from the index alone."""
        return (kind, id) in self._vouched or self._index.knows(kind, id)

    def index_names(self) -> frozenset[str]:
        """Return the names of the index files: while all of them stay, so does every blob they name."""
        return self._index.names()

    def vouch(self, tree: str) -> None:
        """Take the caller's word until the lock is released that a tree is stored, without reading the index."""
        self._vouched.add(("tree", tree))

    def save_blob(
        self, data: bytes | memoryview, kind: Kind = "data", *, novel: bool = False
    ) -> tuple[str, int]:
        """Save bytes and return their id and the bytes newly stored, 0 where they were there already.

        Args:
            data: The bytes.
            kind: What they are.
            novel: The bytes hold something random, so the index need not be read to know that they are new.
        """
        return self._writer.save([data], kind, novel=novel)[0]

    def save_blobs(self, blobs: Sequence[bytes | memoryview]) -> list[tuple[str, int]]:
        """Save many data blobs, as ``save_blob`` would one by one; faster where they are small."""
        return self._writer.save(blobs, "data")

    def papers(self) -> Papers:
        """Return what another process of this user needs to fill packs for this repository."""
        desk = self._store.desk() if isinstance(self._store, LocalFolder) else None
        return Papers(self._key.to_bytes(), self._documents.version >= 2, str(desk) if desk else None)

    def claim(self, ids: Sequence[str]) -> list[bool]:
        """Reserve data blobs that another process will bring; False where one is stored or reserved already."""
        return self._writer.claim(ids)

    def disclaim(self, ids: Iterable[str]) -> None:
        """Give back what was reserved with ``claim`` and will not come."""
        self._writer.disclaim(ids)

    def adopt(self, pack: FilledPack) -> None:
        """Store a pack that another process filled.

        Raises:
            StoreUnreachable, DiskFull: This one or one before could not be stored.
        """
        self._writer.adopt(pack)

    def save_tree(self, nodes: Sequence[Node], *, novel: bool = False) -> str:
        """Save a tree and return its id; the nodes need not be sorted. ``novel`` is as for ``save_blob``."""
        return self.save_blob(encode_tree(nodes), "tree", novel=novel)[0]

    def await_packs(self) -> None:
        """Return when the packs that were adopted are stored, and their files not needed any more."""
        self._writer.await_packs()

    def flush(self) -> None:
        """Return when all that was saved is stored and indexed."""
        self._writer.flush()

    def _changed(self) -> None:
        """See what became of packs and index."""
        self._writer.recover()
        self._rescue.forget()
        self._index.refresh()

    def _remember(self, id: str, nodes: tuple[Node, ...]) -> None:
        """Keep a tree, and let go of those not asked for longest."""
        with self._mutex:
            if id not in self._trees:
                self._trees[id] = nodes
                self._cached_nodes += len(nodes)
            while self._cached_nodes > _CACHED_NODES:
                self._cached_nodes -= len(self._trees.popitem(last=False)[1])
