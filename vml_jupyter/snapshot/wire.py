"""What a snapshot and the processes that read files for it say to each other, over a pair of sockets.

message  length (u32) || MessagePack of one record, with the descriptors of folders beside the length

take --Papers------------> hand
take <-Ready-------------- hand
take --Order, folders----> hand           read these files
take <-Offer-------------- hand           these are the ids of what is in them
take --Answer------------> hand           these of them are new
take <-Reading------------ hand           their nodes, and what was packed
                                          (an Order may come before the Answer, and is read meanwhile)
take --Order of nothing--> hand           no more: bring what is packed
take <-Failure------------ hand           it cannot go on
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Sequence

import msgspec

from vml_jupyter.repository.filling import FilledPack, Papers
from vml_jupyter.snapshot.content import Read

FOLDERS = 64
"""At most so many folders go with an order; Linux passes no more than 253 descriptors at once."""

_LENGTH = struct.Struct("<I")
_ID_BYTES = 32
_SENT_BYTES = 256 << 10


class Setting(msgspec.Struct, tag="papers", array_like=True):
    papers: Papers
    folder: str
    prefix: str


class Ready(msgspec.Struct, tag="ready", array_like=True):
    pass


class Order(msgspec.Struct, tag="order", array_like=True):
    """Files to read: of each folder that goes with it, the names as the file system has them."""

    names: list[list[bytes]]


class Offer(msgspec.Struct, tag="offer", array_like=True):
    """The ids of blobs, one behind the other, and the packs that became full since."""

    digests: bytes
    packs: list[FilledPack]

    @classmethod
    def of(cls, digests: Sequence[bytes], packs: list[FilledPack]) -> Offer:
        return cls(b"".join(digests), packs)

    def ids(self) -> list[str]:
        raw = self.digests.hex()
        return [raw[at : at + 2 * _ID_BYTES] for at in range(0, len(raw), 2 * _ID_BYTES)]


class Answer(msgspec.Struct, tag="answer", array_like=True):
    """Of each blob offered, whether it is to be packed."""

    wanted: list[bool]


class Reading(msgspec.Struct, tag="reading", array_like=True):
    """What became of the files of an order, in its sequence, and the packs that became full since."""

    reads: list[Read]
    packs: list[FilledPack]


class Failure(msgspec.Struct, tag="failure", array_like=True):
    """The desk cannot be written to."""

    errno: int
    reason: str


_to_hand = msgspec.msgpack.Decoder(Setting | Order | Answer)
_to_take = msgspec.msgpack.Decoder(Ready | Offer | Reading | Failure)
_encoder = msgspec.msgpack.Encoder()


class Closed(Exception):
    """Whoever was at the other end is gone."""


class Line:
    """One end of the line. Several threads may send, one at a time is heard out; one may receive."""

    def __init__(self, end: socket.socket) -> None:
        # Room for all orders that a hand may have at once, however long the names are: sending never waits for a
        # hand that waits to be listened to itself.
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)
        self._end = end
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._end.fileno()

    def close(self) -> None:
        self._end.close()

    def send(self, message: msgspec.Struct, folders: Sequence[int] = ()) -> None:
        raw = _encoder.encode(message)
        try:
            with self._sending:
                socket.send_fds(self._end, [_LENGTH.pack(len(raw))], folders)
                self._end.sendall(raw)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def order(self) -> tuple[Setting | Order | Answer, list[int]]:
        """Return the next message to a hand, with the folders that came with it."""
        raw, folders = self._receive()
        return _to_hand.decode(raw), folders

    def report(self) -> Ready | Offer | Reading | Failure:
        """Return the next message from a hand."""
        message: Ready | Offer | Reading | Failure = _to_take.decode(self._receive()[0])
        return message

    def _receive(self) -> tuple[bytearray, list[int]]:
        try:
            head, folders, _, _ = socket.recv_fds(self._end, _LENGTH.size, FOLDERS)
        except ConnectionResetError:  # it was closed there before all that was sent from here had been read
            raise Closed from None
        try:
            head += self._read(_LENGTH.size - len(head))
            return self._read(*_LENGTH.unpack(head)), folders
        except BaseException:
            for folder in folders:
                os.close(folder)
            raise

    def _read(self, count: int) -> bytearray:
        whole = bytearray(count)
        view = memoryview(whole)
        while view:
            try:
                read = self._end.recv_into(view)
            except ConnectionResetError:
                read = 0
            if not read:
                raise Closed
            view = view[read:]
        return whole
