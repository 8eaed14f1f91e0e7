"""Answer one connection of the network block device protocol: a hypervisor on this host reads an image.

    greeting, options      NBDMAGIC IHAVEOPT ... GO -> size, "read-only"        (fixed newstyle)
    READ handle a n   -->  answer at once, where the blobs are at hand
                      -->  else fetched by one of a few threads; the answer comes when it comes, by its handle
    what cannot be read    EIO for that request alone

The pieces of an image go to the socket as they lie in memory. Nothing can be written. Source of the format:
https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Protocol

from vml_jupyter.errors import VmlError
from vml_jupyter.snapshot.image.served import Account

_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_READ_ONLY_EXPORT = 1 | 2 | 1 << 8
"""Flags are sent, it is read-only, and several connections see the same."""
_EXPORT_NAME, _ABORT, _INFO, _GO = 1, 2, 6, 7
_ACK, _SAYS, _UNSUPPORTED = 1, 3, 1 << 31 | 1
_OPTION_MAGIC, _ANSWER_MAGIC, _REQUEST_MAGIC, _REPLY_MAGIC = (
    b"IHAVEOPT",
    0x3E889045565A9,
    0x25609513,
    0x67446698,
)
_READ, _DISCONNECT, _FLUSH = 0, 2, 3
_EPERM, _EIO, _EINVAL = 1, 5, 22
_LONGEST_OPTION, _LONGEST_READ = 8192, 32 << 20
_REQUEST = struct.Struct(">IHHQQI")
_REPLY = struct.Struct(">IIQ")
_MOST_PIECES = 512
_FETCHERS = 4


class Blocks(Protocol):
    """What is served."""

    size: int

    def views(self, offset: int, length: int) -> Sequence[memoryview]: ...
    def is_at_hand(self, offset: int, length: int) -> bool: ...


class Gone(Exception):
    """The other end hung up, or speaks another language."""


class Connection:
    """One client; ``serve`` returns when it has gone."""

    def __init__(self, link: socket.socket, image: Blocks, account: Account) -> None:
        self._link = link
        self._image = image
        self._account = account
        self._sending = Lock()

    def serve(self) -> None:
        try:
            if self._greet():
                with ThreadPoolExecutor(_FETCHERS, thread_name_prefix="vml-area") as fetchers:
                    self._answer_all(fetchers)
        except (Gone, OSError):
            return

    def _greet(self) -> bool:
        """Negotiate; return whether the client now sends requests."""
        self._link.sendall(b"NBDMAGIC" + _OPTION_MAGIC + struct.pack(">H", _FIXED_NEWSTYLE | _NO_ZEROES))
        flags = int.from_bytes(self._receive(4), "big")
        while True:
            magic, option, length = struct.unpack(">8sII", self._receive(16))
            if magic != _OPTION_MAGIC or length > _LONGEST_OPTION:
                raise Gone
            self._receive(length)  # the export's name: there is one only
            if option == _EXPORT_NAME:
                zeroes = b"" if flags & _NO_ZEROES else bytes(124)
                self._link.sendall(struct.pack(">QH", self._image.size, _READ_ONLY_EXPORT) + zeroes)
                return True
            if option in (_INFO, _GO):
                self._option(option, _SAYS, struct.pack(">HQH", 0, self._image.size, _READ_ONLY_EXPORT))
            self._option(option, _ACK if option in (_INFO, _GO, _ABORT) else _UNSUPPORTED)
            if option in (_GO, _ABORT):
                return bool(option == _GO)

    def _option(self, option: int, kind: int, content: bytes = b"") -> None:
        self._link.sendall(struct.pack(">QIII", _ANSWER_MAGIC, option, kind, len(content)) + content)

    def _answer_all(self, fetchers: ThreadPoolExecutor) -> None:
        while True:
            magic, _, kind, handle, offset, length = _REQUEST.unpack(self._receive(_REQUEST.size))
            if magic != _REQUEST_MAGIC or kind == _DISCONNECT:
                return
            self._account.request()
            if kind != _READ:
                self._refuse(handle, 0 if kind == _FLUSH else _EPERM, length if kind == 1 else 0)
            elif length > _LONGEST_READ or offset + length > self._image.size:
                self._refuse(handle, _EINVAL)
            elif self._is_at_hand(offset, length):
                self._read(handle, offset, length)
            else:
                fetchers.submit(self._read_elsewhere, handle, offset, length)

    def _is_at_hand(self, offset: int, length: int) -> bool:
        try:
            return self._image.is_at_hand(offset, length)
        except (VmlError, OSError):
            return False  # whoever reads it tells why

    def _read_elsewhere(self, handle: int, offset: int, length: int) -> None:
        try:
            self._read(handle, offset, length)
        except OSError:
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)  # which also wakes who waits for the next request

    def _read(self, handle: int, offset: int, length: int) -> None:
        try:
            pieces = self._image.views(offset, length)
        except Exception as error:  # noqa: BLE001  a guest waits for every answer, and for ever: none may be lost
            self._account.failed(str(error) or repr(error))
            self._refuse(handle, _EIO)
            return
        with self._sending:
            _send(self._link, [memoryview(_REPLY.pack(_REPLY_MAGIC, 0, handle)), *pieces])
        self._account.sent(offset, offset + length)

    def _refuse(self, handle: int, error: int, unread: int = 0) -> None:
        if unread > _LONGEST_READ:
            raise Gone
        self._receive(unread)
        with self._sending:
            self._link.sendall(_REPLY.pack(_REPLY_MAGIC, error, handle))

    def _receive(self, length: int) -> bytes:
        received = self._link.recv(length, socket.MSG_WAITALL) if length else b""
        if len(received) != length:
            raise Gone
        return received


def _send(link: socket.socket, pieces: list[memoryview]) -> None:
    """Send all of the pieces, without joining them."""
    at = 0
    while at < len(pieces):
        sent = link.sendmsg(pieces[at : at + _MOST_PIECES])
        while at < len(pieces) and sent >= len(pieces[at]):
            sent -= len(pieces[at])
            at += 1
        if at < len(pieces):
            pieces[at] = pieces[at][sent:]
