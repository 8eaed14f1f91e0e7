"""All that lies in a repository, and all that its index files say, side by side.

    data/  ------> which packs are there, of which size
    index/ ------> which blobs each pack should hold

``Index`` remembers one place of each blob, to read it; this remembers every one, to check, prune and mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vml_jupyter.errors import LogbookDamaged, StoreUnreachable
from vml_jupyter.repository.cipher import Buffer, Key
from vml_jupyter.repository.documents import Documents, is_id
from vml_jupyter.repository.header import read_header
from vml_jupyter.repository.index import IndexPack, decode_index
from vml_jupyter.repository.locks import Locks
from vml_jupyter.repository.pack import Kind, PackedBlob
from vml_jupyter.repository.store import Store

BlobKey = tuple[Kind, str]
Place = tuple[str, PackedBlob]
_READERS = 8


@dataclass(frozen=True)
class Depot:
    """What those who look after a repository as a whole work with; ``read_trees`` gives tree blobs, many at once."""

    store: Store
    key: Key
    documents: Documents
    locks: Locks
    read_trees: Callable[[Sequence[str]], list[Buffer]]


@dataclass
class Contents:
    """What ``read_contents`` found.

    ``files`` maps each index file that can be read to what it says, ``damaged`` each that cannot to the reason;
    ``sizes`` maps each pack that is there to its bytes; ``strangers`` are files in ``data/`` that are no packs.
    """

    files: dict[str, list[IndexPack]] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def packs(self) -> dict[str, list[PackedBlob]]:
        """Return every pack that an index file names, with its blobs; several files may name the same one."""
        packs: dict[str, list[PackedBlob]] = {}
        for pack in _packs(self.files.values()):
            known = packs.get(pack.id)
            if known is None:
                packs[pack.id] = pack.blobs
            elif known != pack.blobs:
                have = {(blob.type, blob.id, blob.offset) for blob in known}
                more = [blob for blob in pack.blobs if (blob.type, blob.id, blob.offset) not in have]
                packs[pack.id] = known + more
        return packs


def read_contents(store: Store, documents: Documents) -> Contents:
    """Read the index files, then list the packs: so a pack that is being written is never missed as lost.

    Raises:
        StoreUnreachable: The place does not answer.
    """
    contents = Contents()

    def load(name: str) -> tuple[str, list[IndexPack] | LogbookDamaged]:
        try:
            return name, decode_index(documents.load("index", name), name)
        except FileNotFoundError:
            return name, []
        except LogbookDamaged as error:
            return name, error

    with ThreadPoolExecutor(_READERS) as pool:
        for name, said in pool.map(load, sorted(documents.names("index"))):
            if isinstance(said, LogbookDamaged):
                contents.damaged[name] = said.message
            else:
                contents.files[name] = said
    for name, size_bytes in store.sizes("data"):
        if is_id(name):
            contents.sizes[name] = size_bytes
        else:
            contents.strangers.append(name)
    return contents


def read_headers(
    store: Store, key: Key, sizes: dict[str, int], packs: Iterable[str]
) -> Iterator[tuple[str, list[PackedBlob] | LogbookDamaged]]:
    """Yield what each of ``packs`` says of itself, or what is wrong with it."""

    def read(pack: str) -> tuple[str, list[PackedBlob] | LogbookDamaged]:
        try:
            return pack, read_header(store, key, pack, sizes[pack])
        except FileNotFoundError:
            return pack, []
        except LogbookDamaged as error:
            return pack, error
        except StoreUnreachable as error:
            if store.is_remote:
                raise
            return pack, LogbookDamaged(error.message)  # a bad sector, not the whole disk

    with ThreadPoolExecutor(_READERS if store.is_remote else 1) as pool:
        yield from pool.map(read, sorted(packs))


def places_of(packs: dict[str, list[PackedBlob]]) -> dict[BlobKey, list[Place]]:
    """Return every place of every blob of these packs."""
    places: dict[BlobKey, list[Place]] = {}
    for pack, blobs in packs.items():
        for blob in blobs:
            places.setdefault((blob.type, blob.id), []).append((pack, blob))
    return places


def _packs(files: Iterable[list[IndexPack]]) -> Iterator[IndexPack]:
    return (pack for file in files for pack in file)
