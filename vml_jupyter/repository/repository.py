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

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from vml_jupyter.errors import LogbookDamaged, NotFound, VmlError
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import opening
from vml_jupyter.repository.blobs import Blobs
from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.contents import Depot
from vml_jupyter.repository.copies import Copies
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.keys import Keys
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.places import open_store
from vml_jupyter.repository.pruning import Pruned
from vml_jupyter.repository.records import Config, Snapshot, decode_snapshot
from vml_jupyter.repository.store import Store
from vml_jupyter.repository.upkeep import Upkeep

_Self = TypeVar("_Self", bound="Repository")


class Repository(Blobs):
    """One repository, opened. Safe between threads; ``create`` and ``open`` make it.

    Whoever saves holds ``lock()`` from the first blob to the snapshot, or restic's ``prune`` may remove in
    between what no snapshot names yet.
    """

    def __init__(
        self,
        store: Store,
        key: Key,
        config: Config,
        damage: LogbookDamaged | None = None,
        cache: Path | None = None,
    ) -> None:
        self._copies = (
            Copies(cache / "index", config.id) if cache and store.is_remote and not damage else None
        )
        documents = Documents(store, key, config.version, self._copies)
        super().__init__(store, key, documents)
        self._locks = Locks(documents)
        self._damage = damage
        self._hurt_snapshots: list[LogbookDamaged] = []
        self.keys = Keys(store, key, self._locks)
        depot = Depot(store, key, documents, self._locks, self.read_trees)
        self.upkeep = Upkeep(depot, self.keys, damage, self._changed)
        self.url = store.label
        self.is_remote = store.is_remote
        self.id = config.id
        self.version = config.version

    @classmethod
    def create(
        cls: type[_Self],
        url: str | Store,
        password: str,
        *,
        scrypt_n: int | None = None,
        cache: Path | None = None,
    ) -> _Self:
        """Make a new repository and open it.

        Args:
            url: A folder, ``file://``, ``s3://bucket/prefix`` or ``s3:https://host/bucket/prefix``.
            password: What opens it.
            scrypt_n: Cost of guessing the password; a generated one needs only ``SCRYPT_N_GENERATED``.
            cache: As for ``open``.

        Raises:
            WouldOverwrite: There is a repository already.
            StoreUnreachable: The place cannot be used.
        """
        store = open_store(url) if isinstance(url, str) else url
        return cls(store, *opening.create(store, password, scrypt_n), cache=cache)

    @classmethod
    def open(cls: type[_Self], url: str | Store, password: str, *, cache: Path | None = None) -> _Self:
        """Open what is there, to be read even where ``damage`` is found.

        Args:
            url: As for ``create``.
            password: What opens it.
            cache: The folder in which a distant repository's index files are kept, see ``copies``.

        Raises:
            LogbookMissing: Nothing there is a repository.
            WrongPassword: No key file opens with ``password``.
            LogbookDamaged: No key file is whole.
            StoreUnreachable: The place does not answer.
        """
        store = open_store(url) if isinstance(url, str) else url
        return cls(store, *opening.open(store, password), cache=cache)

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
        if self._copies and self._index.is_listed:
            self._copies.trim(self._index.names())

    def _require_whole(self) -> None:
        """Refuse to write where it is not known how, or what is there already."""
        if self._damage:
            raise self._damage

    def _load_snapshot(self, id: str) -> Snapshot | None:
        """Return a snapshot; None where another program removed it between listing and reading."""
        try:
            return decode_snapshot(self._documents.load("snapshots", id), id)
        except FileNotFoundError:
            return None
