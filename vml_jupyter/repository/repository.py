"""A restic repository: blobs, trees and snapshots, encrypted, each written once.

    config                     version, id, chunker polynomial
    keys/<id>                  one per password
    locks/<id>                 who works here now
    data/<xx>/<id>             packs of blobs: pieces of files, trees
    index/<id>                 which blob lies where
    snapshots/<id>             a tree, and where it came from

Written in this order: packs, index, snapshot; so a snapshot never names what is not there.
Source of the format: restic's ``doc/design.rst``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

import msgspec

from vml_jupyter.errors import LogbookDamaged, NotFound, VmlError
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import opening
from vml_jupyter.repository.cipher import Buffer, Key
from vml_jupyter.repository.contents import Depot
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.filling import FilledPack, Papers
from vml_jupyter.repository.index import Index
from vml_jupyter.repository.keys import Keys
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.node import Node, decode_tree, encode_tree
from vml_jupyter.repository.pack import Kind, PackedBlob
from vml_jupyter.repository.places import open_store
from vml_jupyter.repository.pruning import Pruned
from vml_jupyter.repository.reader import Reader
from vml_jupyter.repository.records import Config, Snapshot, decode_snapshot
from vml_jupyter.repository.rescue import Rescue
from vml_jupyter.repository.store import LocalFolder, Store
from vml_jupyter.repository.unpack import Hand
from vml_jupyter.repository.upkeep import Upkeep
from vml_jupyter.repository.writer import Writer

_CACHED_NODES = 200_000
_Self = TypeVar("_Self", bound="Repository")


class Repository:
    """One repository, opened. Safe between threads; ``create`` and ``open`` make it.

    Whoever saves holds ``lock()`` from the first blob to the snapshot, or restic's ``prune`` may remove in
    between what no snapshot names yet.
    """

    def __init__(self, store: Store, key: Key, config: Config, damage: LogbookDamaged | None = None) -> None:
        self._store = store
        self._key = key
        self._documents = Documents(store, key, config.version)
        self._index = Index(lambda: self._documents.names("index"), self._load_index)
        self._rescue = Rescue(store, key, self._documents, self._index)
        self._reader = Reader(store, key, self._index, self._rescue.places)
        self._writer = Writer(store, key, self._documents, self._index)
        self._locks = Locks(self._documents)
        self._trees: OrderedDict[str, tuple[Node, ...]] = OrderedDict()
        self._cached_nodes = 0
        self._mutex = threading.Lock()
        self._vouched: set[tuple[Kind, str]] = set()
        self._damage = damage
        self._hurt_snapshots: list[LogbookDamaged] = []
        self.keys = Keys(store, key, self._locks)
        depot = Depot(store, key, self._documents, self._locks, self.read_trees)
        self.upkeep = Upkeep(depot, self.keys, damage, self._changed)
        self._hand = Hand(str(store.folder), key.to_bytes()) if isinstance(store, LocalFolder) else None
        self.url = store.label
        self.is_remote = store.is_remote
        self.id = config.id
        self.version = config.version

    @classmethod
    def create(cls: type[_Self], url: str | Store, password: str, *, scrypt_n: int | None = None) -> _Self:
        """Make a new repository and open it.

        Args:
            url: A folder, ``file://``, ``s3://bucket/prefix`` or ``s3:https://host/bucket/prefix``.
            password: What opens it.
            scrypt_n: Cost of guessing the password; a generated one needs only ``SCRYPT_N_GENERATED``.

        Raises:
            WouldOverwrite: There is a repository already.
            StoreUnreachable: The place cannot be used.
        """
        store = open_store(url) if isinstance(url, str) else url
        return cls(store, *opening.create(store, password, scrypt_n))

    @classmethod
    def open(cls: type[_Self], url: str | Store, password: str) -> _Self:
        """Open what is there, to be read even where ``damage`` is found.

        Raises:
            LogbookMissing: Nothing there is a repository.
            WrongPassword: No key file opens with ``password``.
            LogbookDamaged: No key file is whole.
            StoreUnreachable: The place does not answer.
        """
        store = open_store(url) if isinstance(url, str) else url
        return cls(store, *opening.open(store, password))

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
            raise LogbookDamaged(f"the tree {id[:12]} in {self.url} is no tree: {error}") from error
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
        return Papers(self._key.to_bytes(), self.version >= 2, str(desk) if desk else None)

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

    @property
    def damage(self) -> list[LogbookDamaged]:
        """What was found to be hurt so far, beside blobs; ``check`` finds all."""
        config = [self._damage] if self._damage else []
        return [*config, *self._index.damaged, *self._hurt_snapshots]

    def snapshot_ids(self) -> set[str]:
        """Return the ids of all snapshots: one listing, nothing is read."""
        return set(self._documents.names("snapshots"))

    def snapshot(self, id: str) -> Snapshot | None:
        """Return a snapshot; None where it was removed.

        Raises:
            LogbookDamaged: Its file is broken.
        """
        return self._load_snapshot(id)

    def seal(self, json: bytes) -> bytes:
        """Return a JSON document as only this repository's key opens it, for a copy that lies elsewhere."""
        return self._documents.seal(json)

    def unseal(self, sealed: bytes) -> bytes:
        """Undo ``seal``.

        Raises:
            LogbookDamaged: It was cut, altered, or sealed with another key.
        """
        return self._documents.unseal(sealed)

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots, oldest first, whoever wrote them; those that are hurt are left out.

        ``damage`` says which.
        """
        found: list[Snapshot] = []
        hurt: list[LogbookDamaged] = []
        for id in list(self._documents.names("snapshots")):
            try:
                snapshot = self._load_snapshot(id)
            except LogbookDamaged as error:
                hurt.append(error)
                continue
            if snapshot is not None:
                found.append(snapshot)
        self._hurt_snapshots = hurt
        return sorted(found, key=lambda item: (item.time, item.id))

    def save_snapshot(self, snapshot: Snapshot) -> str:
        """Store everything that was saved, then ``snapshot``, and return its id."""
        self.flush()
        self._locks.require_held()
        return self._documents.save(
            "snapshots", msgspec.json.encode(msgspec.structs.replace(snapshot, id=""))
        )

    def delete_snapshot(self, id: str) -> None:
        """Remove a snapshot's file and nothing else; ``restic prune`` frees the room.

        Raises:
            NotFound: There is none of this id.
        """
        if id not in self._documents.names("snapshots"):
            raise NotFound(f"no snapshot {id[:12]} in {self.url}")
        self._documents.delete("snapshots", id)

    @contextmanager
    def lock(self, exclusive: bool = False) -> Iterator[None]:
        """Keep others from removing packs (or, ``exclusive``, from anything) for the length of a ``with``.

        Locks may be nested; the outermost one counts. What other programs stored or removed until now is
        seen from here on.

        Raises:
            LogbookLocked: Somebody holds a lock that excludes this one.
            LogbookDamaged: What says how or where to write is hurt.
        """
        with self._locks.hold(exclusive) as outermost:
            if outermost:
                self._writer.recover()
                self._index.refresh()
                self._rescue.forget()
                self._require_whole()
            try:
                yield
            except BaseException:
                with suppress(VmlError):
                    self._writer.settle()
                raise
            finally:
                if outermost:
                    self._vouched.clear()
            self._writer.settle()

    def prune(
        self, progress: Progress = SILENT, *, keep: Iterable[str] = (), dry_run: bool = False
    ) -> Pruned:
        """Free the room of what neither a snapshot nor a tree of ``keep`` needs; more in ``upkeep``."""
        return self.upkeep.prune(progress, keep=keep, dry_run=dry_run)

    def close(self) -> None:
        self._writer.close()

    def _changed(self) -> None:
        """See what became of packs and index."""
        self._writer.recover()
        self._rescue.forget()
        self._index.refresh()

    def _require_whole(self) -> None:
        """Refuse to write where it is not known how, or what is there already."""
        if self._damage:
            raise self._damage

    def _remember(self, id: str, nodes: tuple[Node, ...]) -> None:
        """Keep a tree, and let go of those not asked for longest."""
        with self._mutex:
            if id not in self._trees:
                self._trees[id] = nodes
                self._cached_nodes += len(nodes)
            while self._cached_nodes > _CACHED_NODES:
                self._cached_nodes -= len(self._trees.popitem(last=False)[1])

    def _load_index(self, id: str) -> bytes:
        return self._documents.load("index", id)

    def _load_snapshot(self, id: str) -> Snapshot | None:
        """Return a snapshot; None where another program removed it between listing and reading."""
        try:
            return decode_snapshot(self._documents.load("snapshots", id), id)
        except FileNotFoundError:
            return None
