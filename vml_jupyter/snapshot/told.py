"""What a machine tells of the changes in its working area, as records that cannot say more than they may.

    folder   what lies in one folder of the overlay's upper side, or in one of the whole area
    row      one thing in it: kind, permissions, times, size
    wish     a file that is to be read, and the pieces of it that are known here
    part     what comes of it: it was opened, bytes, "as you know it", it was closed

A guest is not trusted: names, numbers and kinds are checked here, once, and everything above relies on it. The worst
that a guest can do is to tell of a working area that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from vml_jupyter.errors import Foreign

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Number = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Moment = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Target = Annotated[str, Meta(max_length=4095)]
_Attributes = Annotated[
    dict[Annotated[str, Meta(min_length=6, max_length=255)], Annotated[bytes, Meta(max_length=65536)]],
    Meta(max_length=1000),
]
_LONGEST_PATH = 1 << 16


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing; ``name`` and ``target`` are bytes, each as the character of its number.

    ``kind`` is ``f`` file, ``d`` folder, ``l`` link, ``p`` pipe, ``w`` what was removed, ``x`` anything else.
    ``lacking`` says which attributes are not told, and why.
    """

    name: _Name
    kind: Literal["f", "d", "l", "p", "w", "x"]
    permissions: Annotated[int, Meta(ge=0, le=0o7777)]
    inode: _Number
    size: _Number
    mtime_ns: _Moment
    ctime_ns: _Moment
    links: _Number
    target: _Target = ""
    attributes: _Attributes = {}
    lacking: Annotated[str, Meta(max_length=1000)] = ""

    @property
    def name_bytes(self) -> bytes:
        return self.name.encode("latin-1")


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in a folder, or a part of it; ``opaque`` says that nothing of what was there before is left."""

    path: Annotated[str, Meta(max_length=_LONGEST_PATH)] = ""
    opaque: bool = False
    error: Annotated[str, Meta(max_length=1000)] = ""
    rows: list[Row] = []


@dataclass(frozen=True)
class Wish:
    """A file to read, by its path, its size when it was listed, and the blobs that it had before with their lengths."""

    path: bytes
    size: int = 0
    pieces: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class Opened:
    """The bytes of a wish begin; ``row`` is what it is now."""

    number: int
    row: Row


@dataclass(frozen=True)
class Same:
    """The next bytes are those of ``count`` pieces of the wish."""

    first: int
    count: int


@dataclass(frozen=True)
class Closed:
    """The bytes of a wish end; it ``changed`` meanwhile, or could not be read."""

    number: int
    changed: bool = False
    error: str = ""


Part = Opened | Same | Closed | bytes


class Changes(Protocol):
    """Where the telling comes from.

    ``how`` is ``upper``, where folders hold what was changed, or ``walk``, where they hold everything; it may become
    ``walk`` while ``folders`` is read, and then that begins anew.
    """

    @property
    def how(self) -> str: ...

    @property
    def top(self) -> Row: ...

    def folders(self) -> dict[bytes, Folder]: ...

    def read(self, wishes: Sequence[Wish]) -> Iterator[Part]: ...


@dataclass(frozen=True)
class Limits:
    """How much a machine may tell: bytes of files, things, and bytes of their description."""

    size_bytes: int = 20 << 30
    things: int = 1_000_000
    listing_bytes: int = 512 << 20


def checked_folder(folder: Folder) -> Folder:
    """Return a folder whose names are names.

    Raises:
        Foreign: One could lead elsewhere, or is no name at all.
    """
    for row in folder.rows:
        _check_name(row.name)
        if row.kind == "l" and (not row.target or "\0" in row.target or not _is_latin(row.target)):
            raise Foreign("the machine tells of a link that leads to no path")
    for name in folder.path.split("/") if folder.path else ():
        _check_name(name)
    return folder


def _check_name(name: str) -> None:
    if name in ("", ".", "..") or "/" in name or "\0" in name or len(name) > 255 or not _is_latin(name):
        raise Foreign(f"the machine tells of a file {name[:80]!a}, which is no file name")


_LATIN = re.compile(r"[\0-\xff]*", re.DOTALL)


def _is_latin(text: str) -> bool:
    return _LATIN.fullmatch(text) is not None
