"""Files that are written together, said in a way that another process understands.

    Batch   runs of packs to read, and what becomes of their blobs:
            wholes   small files: make, fill, set mode, times, owner and attributes
            parts    stretches of large files that are there already

Files are sorted by where their content lies, some thousands at a time, because files that were captured
together lie side by side: one read then serves many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from vml_jupyter.repository import Node
from vml_jupyter.repository.pack import PackedBlob
from vml_jupyter.repository.unpack import Run, runs_of

WHOLE_BYTES = 2 << 20
"""A file up to this size is written in one go."""

_BYTES = 2 << 20
_FILES = 128
_WINDOW_FILES = 4096
_ATTRIBUTE_BYTES = 1 << 20
_Place = tuple[str, PackedBlob]
Locate = Callable[[str], _Place]


class Meta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a file is besides its bytes; ``mode`` holds permissions and the three bits above them."""

    mode: int
    mtime_ns: int
    atime_ns: int
    uid: int
    gid: int
    attributes: list[tuple[str, bytes]]


class Whole(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A file to make; ``folder`` and ``blobs`` are positions in the batch's folders and blobs."""

    folder: int
    name: bytes
    blobs: list[int]
    meta: Meta


class Part(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Blobs to write one after the other into a file that is there, from ``offset`` on."""

    folder: int
    name: bytes
    offset: int
    blobs: list[int]


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """Work for one process; ``folders`` are paths below the folder that is being laid out."""

    runs: list[Run]
    folders: list[bytes]
    wholes: list[Whole]
    parts: list[Part]

    @property
    def ids(self) -> list[str]:
        """Return the ids of the blobs, in the order in which files name them."""
        return [piece.id.hex() for run in self.runs for piece in run.pieces]


class Small(msgspec.Struct, frozen=True, gc=False):
    """A small file, and where its content lies."""

    folder: bytes
    name: bytes
    places: list[_Place]
    size_bytes: int
    meta: Meta


def meta_of(node: Node) -> Meta:
    """Return what ``node`` says besides the bytes.

    Raises:
        Foreign: A time in it is none.
    """
    mtime_ns = node.mtime_ns
    return Meta(
        node.st_mode & 0o7777,
        mtime_ns,
        mtime_ns if node.atime in (node.mtime, "") else node.atime_ns,
        node.uid,
        node.gid,
        [(attribute.name, attribute.value or b"") for attribute in node.extended_attributes or ()],
    )


class Window:
    """Collects small files and gives them back as batches, in the order in which their content lies."""

    def __init__(self) -> None:
        self._files: list[Small] = []
        self._attribute_bytes = 0

    def add(self, file: Small) -> None:
        self._files.append(file)
        self._attribute_bytes += sum(len(value) for _, value in file.meta.attributes)

    @property
    def is_full(self) -> bool:
        return len(self._files) >= _WINDOW_FILES or self._attribute_bytes >= _ATTRIBUTE_BYTES

    def batches(self) -> Iterator[Batch]:
        """Yield what was collected, and begin anew."""
        files, self._files, self._attribute_bytes = sorted(self._files, key=_position), [], 0
        group: list[Small] = []
        size_bytes = 0
        for file in files:
            if len(group) >= _FILES or (group and size_bytes + file.size_bytes > _BYTES):
                yield _batch_of(group)
                group, size_bytes = [], 0
            group.append(file)
            size_bytes += file.size_bytes
        if group:
            yield _batch_of(group)


def _position(file: Small) -> tuple[str, int]:
    if not file.places:
        return "", 0
    pack, blob = file.places[0]
    return pack, blob.offset


def _batch_of(files: Sequence[Small]) -> Batch:
    runs, positions = _read([place for file in files for place in file.places])
    folders = {folder: number for number, folder in enumerate(dict.fromkeys(file.folder for file in files))}
    wholes = [
        Whole(folders[file.folder], file.name, [positions[blob.id] for _, blob in file.places], file.meta)
        for file in files
    ]
    wholes.sort(key=lambda whole: whole.folder)
    return Batch(runs, list(folders), wholes, [])


def parts_of(folder: bytes, name: bytes, places: Sequence[_Place]) -> Iterator[Batch]:
    """Yield the content of a large file in stretches of a few MiB."""
    offset = size_bytes = 0
    stretch: list[_Place] = []
    for place in places:
        if stretch and size_bytes + place[1].plain_length > _BYTES:
            yield _part(folder, name, offset, stretch)
            offset, size_bytes, stretch = offset + size_bytes, 0, []
        stretch.append(place)
        size_bytes += place[1].plain_length
    if stretch:
        yield _part(folder, name, offset, stretch)


def _part(folder: bytes, name: bytes, offset: int, places: Sequence[_Place]) -> Batch:
    runs, positions = _read(places)
    return Batch(runs, [folder], [], [Part(0, name, offset, [positions[blob.id] for _, blob in places])])


def _read(places: Sequence[_Place]) -> tuple[list[Run], dict[str, int]]:
    """Return the runs that cover ``places``, and the position of each blob among them."""
    distinct = {blob.id: (pack, blob) for pack, blob in places}
    ordered = sorted(distinct.values(), key=lambda place: (place[0], place[1].offset))
    return runs_of(ordered), {blob.id: position for position, (_, blob) in enumerate(ordered)}
