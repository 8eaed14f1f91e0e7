"""One process that writes batches: the interpreter's lock lets one process use one core for small files.

    standard input    u32 length || Start, then u32 length || Batch, again and again; ends at its end
    standard output   u32 length || Outcome, for each batch

Integers are little-endian, the rest is MessagePack. Started by ``writers``. It knows one folder with packs, the
master key, and the descriptor of the folder that it writes into; it has no index and opens no connection.
"""

from __future__ import annotations

import gc
import os
import struct
import sys

import msgspec

from vml_jupyter.repository.unpack import Hand, NotUnpacked, Unpacker
from vml_jupyter.snapshot.batch import Batch
from vml_jupyter.snapshot.place import Places

_LENGTH = struct.Struct("<I")
_YOUNG = 50_000


class Start(msgspec.Struct, array_like=True, frozen=True):
    """The first message."""

    hand: Hand
    root: int


class Outcome(msgspec.Struct, array_like=True, frozen=True):
    """What came of a batch.

    ``unpacked`` is False where its blobs could not be had, and nothing was written; ``errno`` is not 0
    where the operating system refused to write.
    """

    written: int = 0
    unpacked: bool = True
    errno: int = 0
    reason: str = ""
    refused: dict[str, int] = {}


def send(pipe: int, message: msgspec.Struct) -> None:
    raw = msgspec.msgpack.encode(message)
    rest = memoryview(_LENGTH.pack(len(raw)) + raw)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def receive(pipe: int) -> bytes | None:
    """Return the next message, None at the end; not a byte of what follows is read."""
    head = _read(pipe, _LENGTH.size)
    return _read(pipe, _LENGTH.unpack(head)[0]) if head else None


def _read(pipe: int, size_bytes: int) -> bytes | None:
    pieces: list[bytes] = []
    while size_bytes:
        piece = os.read(pipe, size_bytes)
        if not piece:
            return None
        pieces.append(piece)
        size_bytes -= len(piece)
    return b"".join(pieces)


def main() -> None:
    """Write batches until there are no more."""
    tasks, outcomes = sys.stdin.fileno(), sys.stdout.fileno()
    os.umask(0)
    gc.freeze()
    gc.set_threshold(_YOUNG)  # what one batch leaves behind has no cycles
    first = receive(tasks)
    if first is None:
        return
    start = msgspec.msgpack.decode(first, type=Start)
    unpacker, places = Unpacker(start.hand), Places(start.root, own_umask=True)
    decoder = msgspec.msgpack.Decoder(Batch)
    while (raw := receive(tasks)) is not None:
        send(outcomes, _write(unpacker, places, decoder.decode(raw)))


def _write(unpacker: Unpacker, places: Places, batch: Batch) -> Outcome:
    try:
        written = places.fill(batch, unpacker.unpack(batch.runs))
    except NotUnpacked:
        return Outcome(unpacked=False)
    except OSError as error:
        return Outcome(errno=error.errno or 0, reason=error.strerror or str(error))
    refused = dict(places.refused)
    places.refused.clear()
    return Outcome(written=written, refused=refused)
