"""Many blobs at once, out of packs in a local folder, in a process that does nothing else.

    runs of packs --read--> sealed --open--> plain or zstd --decompress--> blobs, checked by SHA-256
                            (one piece of memory, used again by every call)

Everything a blob needs is in the call: no index, no store. Whoever cannot be served so (the pack is gone,
something is damaged) is told no more than that: ``Reader`` finds what was moved and names what is damaged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

import msgspec

from vml_jupyter.repository import encoding
from vml_jupyter.repository.cipher import Buffer, Forged, Key
from vml_jupyter.repository.pack import PackedBlob, pack_name

_NEAR_BYTES = 64 << 10


class Piece(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A blob in a run: ``offset`` counts from the run's beginning, ``plain_length`` is 0 if not compressed."""

    id: bytes
    offset: int
    length: int
    plain_length: int


class Run(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Blobs of one pack that are read together: ``length`` bytes from ``offset`` on."""

    pack: str
    offset: int
    length: int
    pieces: list[Piece]


class Hand(msgspec.Struct, array_like=True, frozen=True):
    """What another process needs to unpack. It holds the master key: hand it over a pipe and nowhere else."""

    folder: str
    secrets: bytes

    def __repr__(self) -> str:
        return f"Hand({self.folder!r})"


class NotUnpacked(Exception):
    """A blob is not where it was said to be, or not what it was said to be."""


class Unpacker:
    """Reads blobs of one repository into memory of its own. Not safe between threads."""

    def __init__(self, hand: Hand) -> None:
        self._folder = hand.folder
        self._key = Key.from_bytes(hand.secrets)
        self._sealed = bytearray()
        self._plain = bytearray()

    def unpack(self, runs: Sequence[Run]) -> list[Buffer]:
        """Return the blobs of ``runs`` in order; they are valid until the next call.

        Raises:
            NotUnpacked: Not all of them are there and sound.
        """
        opened = self._open_all(runs)
        pieces = [piece for run in runs for piece in run.pieces]
        packed = [number for number, piece in enumerate(pieces) if piece.plain_length]
        try:
            plain = encoding.decompress_all(
                [opened[number] for number in packed], [pieces[number].plain_length for number in packed]
            )
        except encoding.Unreadable as error:
            raise NotUnpacked from error
        blobs: list[Buffer] = list(opened)
        for number, data in zip(packed, plain, strict=True):
            blobs[number] = data
        if any(hashlib.sha256(data).digest() != piece.id for data, piece in zip(blobs, pieces, strict=True)):
            raise NotUnpacked
        return blobs

    def _open_all(self, runs: Sequence[Run]) -> list[memoryview]:
        """Read and decrypt, one run after the other."""
        self._sealed = _large_enough(self._sealed, max((run.length for run in runs), default=0))
        self._plain = _large_enough(self._plain, sum(piece.length for run in runs for piece in run.pieces))
        plain = memoryview(self._plain)
        opened: list[memoryview] = []
        end = 0
        for run in runs:
            sealed = self._read(run)
            for piece in run.pieces:
                try:
                    size = self._key.open_into(
                        sealed[piece.offset : piece.offset + piece.length], plain[end:]
                    )
                except Forged as error:
                    raise NotUnpacked from error
                opened.append(plain[end : end + size])
                end += size
        return opened

    def _read(self, run: Run) -> memoryview:
        sealed = memoryview(self._sealed)[: run.length]
        try:
            descriptor = os.open(f"{self._folder}/{pack_name(run.pack)}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise NotUnpacked from error
        try:
            done = 0
            while done < run.length:
                count = os.preadv(descriptor, [sealed[done:]], run.offset + done)
                if not count:
                    raise NotUnpacked
                done += count
        except OSError as error:
            raise NotUnpacked from error
        finally:
            os.close(descriptor)
        return sealed


def announce(hand: Hand, runs: Sequence[Run]) -> None:
    """Tell the system that ``runs`` will be read soon, so that the disk works while the processors do."""
    for run in runs:
        try:
            descriptor = os.open(f"{hand.folder}/{pack_name(run.pack)}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # whoever reads it finds out
        try:
            os.posix_fadvise(descriptor, run.offset, run.length, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(descriptor)


def runs_of(places: Sequence[tuple[str, PackedBlob]]) -> list[Run]:
    """Join blobs that lie near to one another in a pack; ``places`` are sorted by pack and offset."""
    runs: list[Run] = []
    group: list[PackedBlob] = []
    pack = ""
    for next_pack, blob in places:
        if group and (next_pack != pack or blob.offset > group[-1].offset + group[-1].length + _NEAR_BYTES):
            runs.append(_run(pack, group))
            group = []
        pack = next_pack
        group.append(blob)
    if group:
        runs.append(_run(pack, group))
    return runs


def _run(pack: str, blobs: Sequence[PackedBlob]) -> Run:
    start = blobs[0].offset
    end = max(blob.offset + blob.length for blob in blobs)
    pieces = [
        Piece(bytes.fromhex(blob.id), blob.offset - start, blob.length, blob.uncompressed_length)
        for blob in blobs
    ]
    return Run(pack, start, end - start, pieces)


def _large_enough(memory: bytearray, size_bytes: int) -> bytearray:
    return memory if len(memory) >= size_bytes else bytearray(size_bytes)
