"""Keep on this computer what an image costs to find out: its layout, and what was read of it first.

    <folder>/layouts/<etag>    (0600)   sealed: metadata and extents, so that it is ready at once the next time
    <folder>/opened/<tree>     (0600)   sealed: the blobs that a machine read, in the order of their first reading

Both hold names or say what somebody looked at, so they are sealed with the logbook's key. Neither is the truth: one
that is cut, altered, of another logbook or gone is made anew. Those used least lately make room.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.errors import VmlError
from vml_jupyter.parsing import Parser
from vml_jupyter.replacing import replace_file
from vml_jupyter.snapshot.image.extents import Extents
from vml_jupyter.snapshot.image.layout import Laid
from vml_jupyter.snapshot.image.numbers import BLOCK_BYTES

_FORMAT = 1
_LARGEST_BYTES = 100 << 20
_LAYOUTS_BYTES = 256 << 20
_ORDERS = 1000
_FOLLOWED = 4096
_NAME = re.compile(r"[0-9a-f]{32,64}")


class _Layout(msgspec.Struct, frozen=True):
    format: int
    order: str
    etag: str
    data_blocks: int
    files: int
    clipped: list[bytes]
    metadata: bytes
    arrays: list[bytes]


class _Order(msgspec.Struct, frozen=True):
    format: int
    tree: str
    blobs: list[str]


_encoder = msgspec.msgpack.Encoder()
_layouts = Parser(_Layout, packed=True)
_orders = Parser(_Order, packed=True)


class _Known:
    """A layout that was kept."""

    def __init__(self, kept: _Layout) -> None:
        self.metadata = kept.metadata
        self.extents = Extents.restored(kept.data_blocks, kept.arrays)
        self.blocks = len(kept.metadata) // BLOCK_BYTES + kept.data_blocks
        self.files = kept.files
        self.clipped = kept.clipped


class Kept:
    """What is kept of one logbook's images.

    Args:
        folder: Where; made if need be.
        seal: Encrypts, so that only who can open the logbook reads it.
        unseal: Undoes that; raises a ``VmlError`` for what was altered.
    """

    def __init__(
        self, folder: Path, seal: Callable[[bytes], bytes], unseal: Callable[[bytes], bytes]
    ) -> None:
        self._layouts, self._opened = folder / "layouts", folder / "opened"
        self._seal, self._unseal = seal, unseal

    def layout(self, etag: str) -> Laid | None:
        """Return the layout of this name; None where it is not kept."""
        try:
            kept = _layouts.parse(self._read(self._layouts / _checked(etag)))
            if (kept.format, kept.order, kept.etag) == (_FORMAT, sys.byteorder, etag):
                return _Known(kept)
        except (OSError, VmlError, ValueError, msgspec.DecodeError):
            pass
        return None

    def keep_layout(self, etag: str, layout: Laid) -> None:
        """Keep a layout, unless it is very large; where that cannot be, nothing is lost but time."""
        kept = _Layout(
            format=_FORMAT,
            order=sys.byteorder,
            etag=etag,
            data_blocks=layout.extents.blocks,
            files=layout.files,
            clipped=list(layout.clipped),
            metadata=bytes(layout.metadata),
            arrays=layout.extents.arrays(),
        )
        if len(kept.metadata) + sum(map(len, kept.arrays)) <= _LARGEST_BYTES:
            self._write(self._layouts / _checked(etag), _encoder.encode(kept))
            _make_room(self._layouts, _LAYOUTS_BYTES, sys.maxsize)

    def order(self, tree: str) -> list[str]:
        """Return the blobs of a tree that were read when it was opened, in that order."""
        try:
            kept = _orders.parse(self._read(self._opened / _checked(tree)))
        except (OSError, VmlError, ValueError, msgspec.DecodeError):
            return []
        return kept.blobs[:_FOLLOWED] if (kept.format, kept.tree) == (_FORMAT, tree) else []

    def keep_order(self, tree: str, blobs: Sequence[str]) -> None:
        """Remember what was read this time, and behind it what was read before."""
        merged = list(dict.fromkeys([*blobs, *self.order(tree)]))[:_FOLLOWED]
        self._write(self._opened / _checked(tree), _encoder.encode(_Order(_FORMAT, tree, merged)))
        _make_room(self._opened, sys.maxsize, _ORDERS)

    def _read(self, file: Path) -> bytes:
        raw = file.read_bytes()
        os.utime(file)  # in use: others make room first
        return self._unseal(raw)

    def _write(self, file: Path, plain: bytes) -> None:
        with suppress(OSError, VmlError):
            replace_file(file, [self._seal(plain)])


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("no name of a layout")
    return name


def _make_room(folder: Path, most_bytes: int, most_files: int) -> None:
    """Remove what was not used for longest where there is more than that; the newest stays."""
    with suppress(OSError):
        files = sorted(
            ((entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in os.scandir(folder)),
            reverse=True,
        )
        total = 0
        for number, (_, size, path) in enumerate(files):
            total += size
            if number and (total > most_bytes or number >= most_files):
                Path(path).unlink(missing_ok=True)
