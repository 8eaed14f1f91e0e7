"""The index: which blob lies where in which pack.

    index/<id>   {"packs": [{"id": <pack>, "blobs": [{"id", "type", "offset", "length", "uncompressed_length"?}]}]}

Index files are only added, until restic's ``prune`` replaces them; so what was read once is kept, and
reading again means to read the names that are new and, where one is gone, to forget what it said.
A file that is damaged says nothing, and is remembered in ``damaged``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository.documents import is_id
from vml_jupyter.repository.pack import Kind, PackedBlob
from vml_jupyter.repository.parsing import Parser

BLOBS_PER_FILE = 50_000
_READERS = 8


class IndexPack(msgspec.Struct, frozen=True):
    """A pack and the blobs in it."""

    id: str
    blobs: list[PackedBlob]

    def __post_init__(self) -> None:
        """Refuse a pack of another name: it becomes part of a path."""
        if not is_id(self.id):
            raise ValueError("a pack's id is none")


class _IndexFile(msgspec.Struct, frozen=True, omit_defaults=True):
    packs: list[IndexPack]
    supersedes: list[str] | None = None


_parser = Parser(_IndexFile)
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
        self._read: set[str] | None = None
        self._places: _Places = {"data": {}, "tree": {}}
        self._mutex = threading.RLock()
        self.damaged: list[LogbookDamaged] = []

    def place(self, kind: Kind, id: str) -> _Place | None:
        """Return pack and place of a blob, or None where no index file names it."""
        if self._read is None:
            self.refresh()
        return self._places[kind].get(id)

    def knows(self, kind: Kind, id: str) -> bool:
        return self.place(kind, id) is not None

    def packs(self) -> set[str]:
        """Return the ids of all packs that hold a blob the index points to."""
        if self._read is None:
            self.refresh()
        return {pack for places in self._places.values() for pack, _ in places.values()}

    def refresh(self) -> None:
        """Read what other programs wrote or removed since."""
        with self._mutex:
            present = set(self._names())
            read = self._read
            begin_anew = read is None or not read <= present
            places: _Places = {"data": {}, "tree": {}} if begin_anew else self._places
            seen = set() if read is None or begin_anew else set(read)
            damaged: list[LogbookDamaged] = []
            with ThreadPoolExecutor(_READERS) as pool:
                for name, packs in pool.map(self._load_file, sorted(present - seen)):
                    if isinstance(packs, LogbookDamaged):
                        damaged.append(packs)  # and read anew the next time: it may have been mended
                        continue
                    _insert(places, packs)
                    seen.add(name)
            self.damaged = damaged
            self._places, self._read = places, seen  # at the end: others look in the old ones meanwhile

    def add(self, name: str, packs: Sequence[IndexPack]) -> None:
        """Take in an index file that this program wrote."""
        with self._mutex:
            _insert(self._places, packs)
            if self._read is not None:
                self._read.add(name)

    def _load_file(self, name: str) -> tuple[str, list[IndexPack] | LogbookDamaged]:
        try:
            return name, decode_index(self._load(name), name)
        except FileNotFoundError:
            return name, []
        except LogbookDamaged as error:
            return name, error


def decode_index(raw: bytes, name: str) -> list[IndexPack]:
    """Return what an index file says.

    Raises:
        LogbookDamaged: It is no index file.
    """
    try:
        return _parser.parse(raw).packs
    except msgspec.DecodeError as error:
        raise LogbookDamaged(f"index/{name} is damaged: {error}") from error


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
