"""The index: which blob lies where in which pack.

    index/<id>   {"packs": [{"id": <pack>, "blobs": [{"id", "type", "offset", "length", "uncompressed_length"?}]}]}

Index files are only added, until restic's ``prune`` replaces them; so what was read once is kept, and
reading again means to read the names that are new and, where one is gone, to forget what it said. They are
listed when somebody begins to work and read when somebody asks for a blob: a snapshot of an area in which
nothing changed asks for none.
A file that is damaged says nothing, and is remembered in ``damaged`` until it is listed again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.parsing import Parser
from vml_jupyter.repository.documents import is_id
from vml_jupyter.repository.pack import Kind, PackedBlob

BLOBS_PER_FILE = 50_000
_READERS = 8
_FEW = 2


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
        self._present: frozenset[str] | None = None
        self._read: frozenset[str] | None = None  # the same object as _present when nothing is left to read
        self._places: _Places = {"data": {}, "tree": {}}
        self._mutex = threading.RLock()
        self._hurt: dict[str, LogbookDamaged] = {}

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

    @property
    def damaged(self) -> list[LogbookDamaged]:
        """Return what is wrong with the index files that cannot be read."""
        self._catch_up()
        return list(self._hurt.values())

    def names(self) -> frozenset[str]:
        """Return the names of the index files, as they were listed last."""
        return self._present if self._present is not None else self.refresh()

    @property
    def is_listed(self) -> bool:
        """Tell whether ``names`` are known without asking."""
        return self._present is not None

    def refresh(self) -> frozenset[str]:
        """Look for what other programs wrote or removed since, and return the names of all index files."""
        with self._mutex:
            names = frozenset(self._names())
            if names != self._present or self._hurt:
                self._present = names
                self._read = self._read and self._read - self._hurt.keys()  # they may have been mended
                self._hurt = {}
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
            damaged: dict[str, LogbookDamaged] = {} if begin_anew else dict(self._hurt)
            for name, packs in self._load_files(sorted(present - seen)):
                if isinstance(packs, LogbookDamaged):
                    damaged[name] = packs
                else:
                    _insert(places, packs)
            self._hurt = damaged
            self._places, self._read = places, present  # at the end: others look in the old ones meanwhile

    def add(self, name: str, packs: Sequence[IndexPack]) -> None:
        """Take in an index file that this program wrote."""
        with self._mutex:
            _insert(self._places, packs)
            whole = self._read is self._present
            self._present = self.names() | {name}
            if self._read is not None:
                self._read = self._present if whole else self._read | {name}

    def require_whole(self) -> None:
        """Refuse to add to what is not known.

        Raises:
            LogbookDamaged: An index file cannot be read.
        """
        for error in self._hurt.values():
            raise LogbookDamaged(
                f"{error.message}, so nothing is written to the logbook",
                "`vml check --repair-index` makes a new one of what the packs themselves say; nothing is lost",
            )

    def _load_files(self, names: list[str]) -> Iterable[tuple[str, list[IndexPack] | LogbookDamaged]]:
        if len(names) <= _FEW:
            return map(self._load_file, names)
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self._load_file, names))

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
