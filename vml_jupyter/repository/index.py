"""The index: which blob lies where in which pack.

    index/<id>   {"packs": [{"id": <pack>, "blobs": [{"id", "type", "offset", "length", "uncompressed_length"?}]}]}

Index files are only added, until restic's ``prune`` replaces them; so what was read once is kept, and
reading again means to read the names that are new and, where one is gone, to forget what it said. They are
listed when somebody begins to work and read when somebody asks for a blob: a snapshot of an area in which
nothing changed asks for none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.pack import Kind, PackedBlob

BLOBS_PER_FILE = 50_000
_READERS = 8
_FEW = 2


class IndexPack(msgspec.Struct, frozen=True):
    """A pack and the blobs in it."""

    id: str
    blobs: list[PackedBlob]


class _IndexFile(msgspec.Struct, frozen=True, omit_defaults=True):
    packs: list[IndexPack]
    supersedes: list[str] | None = None


_decoder = msgspec.json.Decoder(_IndexFile)
_Place = tuple[str, PackedBlob]
_Places = dict[Kind, dict[str, _Place]]


class Index:
    """What is stored, as the index files say.

    Args:
        names: Gives the names of the index files that exist now.
        load: Gives the JSON of one; FileNotFoundError where it vanished since.
    """

    def __init__(self, names: Callable[[], Iterable[str]], load: Callable[[str], bytes]) -> None:
        self._names = names
        self._load = load
        self._present: frozenset[str] | None = None
        self._read: frozenset[str] | None = None  # the same object as _present when nothing is left to read
        self._places: _Places = {"data": {}, "tree": {}}
        self._mutex = threading.RLock()

    def place(self, kind: Kind, id: str) -> _Place | None:
        """Return pack and place of a blob, or None where no index file names it."""
        self._catch_up()
        return self._places[kind].get(id)

    def knows(self, kind: Kind, id: str) -> bool:
        return self.place(kind, id) is not None

    def all_known(self, kind: Kind, ids: Sequence[str]) -> list[bool]:
        """Tell of each blob whether an index file names it."""
        self._catch_up()
        places = self._places[kind]
        return [id in places for id in ids]

    def packs(self) -> set[str]:
        """Return the ids of all packs that hold a blob the index points to."""
        self._catch_up()
        return {pack for places in self._places.values() for pack, _ in places.values()}

    def names(self) -> frozenset[str]:
        """Return the names of the index files, as they were listed last."""
        return self._present if self._present is not None else self.refresh()

    def refresh(self) -> frozenset[str]:
        """Look for what other programs wrote or removed since, and return the names of all index files."""
        with self._mutex:
            names = frozenset(self._names())
            if names != self._present:
                self._present = names
            return self._present or names

    def _catch_up(self) -> None:
        """Read what was listed and not read yet."""
        if self._read is not None and self._read is self._present:
            return
        with self._mutex:
            present = self.names()
            read = self._read
            begin_anew = read is None or not read <= present
            places: _Places = {"data": {}, "tree": {}} if begin_anew else self._places
            seen = frozenset() if read is None or begin_anew else read
            for packs in self._load_files(sorted(present - seen)):
                _insert(places, packs)
            self._places, self._read = places, present  # at the end: others look in the old ones meanwhile

    def add(self, name: str, packs: Sequence[IndexPack]) -> None:
        """Take in an index file that this program wrote."""
        with self._mutex:
            _insert(self._places, packs)
            whole = self._read is self._present
            self._present = self.names() | {name}
            if self._read is not None:
                self._read = self._present if whole else self._read | {name}

    def _load_files(self, names: list[str]) -> Iterable[list[IndexPack]]:
        if len(names) <= _FEW:
            return map(self._load_file, names)
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self._load_file, names))

    def _load_file(self, name: str) -> list[IndexPack]:
        try:
            return _decoder.decode(self._load(name)).packs
        except FileNotFoundError:
            return []
        except msgspec.DecodeError as error:
            raise LogbookDamaged(f"the index file {name} is damaged: {error}") from error


def _insert(places: _Places, packs: Iterable[IndexPack]) -> None:
    for pack in packs:
        for blob in pack.blobs:
            places[blob.type][blob.id] = (pack.id, blob)


def encode_index(packs: Sequence[IndexPack]) -> bytes:
    return msgspec.json.encode(_IndexFile(list(packs)))


def split(packs: Sequence[IndexPack]) -> Iterator[list[IndexPack]]:
    """Deal packs out to index files so that none grows beyond what restic reads comfortably."""
    group: list[IndexPack] = []
    count = 0
    for pack in packs:
        group.append(pack)
        count += len(pack.blobs)
        if count >= BLOBS_PER_FILE:
            yield group
            group, count = [], 0
    if group:
        yield group
