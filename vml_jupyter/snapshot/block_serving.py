"""Serve one image to a hypervisor of this user: a network block device behind a socket that nobody else can reach.

    <runtime folder of the machine, mode 0700>/area.sock      mode 0600; connections speak ``image/nbd.py``

No token: whoever can open the socket is the user, whose logbook it is.
"""

from __future__ import annotations

import socket
from pathlib import Path
from threading import BoundedSemaphore, Lock, Thread
from typing import Protocol

from vml_jupyter.listening import MAX_CONNECTIONS, listening
from vml_jupyter.snapshot.image.nbd import Blocks, Connection
from vml_jupyter.snapshot.image.served import Account, Readable, ServingStats

_SEND_BYTES = 4 << 20


class Image(Readable, Blocks, Protocol):
    """What is served."""


class BlockServer:
    """A socket behind which an image can be read; ``start`` and ``close``.

    Args:
        image: What is read.
        path: Where the socket is.
        listener: It, where somebody listens already, whose callers wait until they are answered from here.
    """

    def __init__(self, image: Image, path: Path, listener: socket.socket | None = None) -> None:
        self._image = image
        self._path = path
        self._account = Account(image.size, image.data_start)
        self._links: set[socket.socket] = set()
        self._lock = Lock()
        self._places = BoundedSemaphore(MAX_CONNECTIONS)
        self._listener = listener or listening(path)
        self._thread = Thread(target=self._accept, name="vml-area-disk", daemon=True)

    def start(self) -> BlockServer:
        """Answer from now on."""
        self._thread.start()
        return self

    def stats(self) -> ServingStats:
        """Return what has been served until now."""
        return self._account.stats()

    def close(self) -> None:
        """Answer no more, and end the connections there are; the image stays open."""
        self._path.unlink(missing_ok=True)
        _hang_up(self._listener)
        self._listener.close()
        with self._lock:
            for link in self._links:
                _hang_up(link)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # closed
                return
            if not self._places.acquire(blocking=False):
                link.close()
                continue
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BYTES)
            with self._lock:
                self._links.add(link)
            Thread(target=self._serve, args=(link,), name="vml-area-disk", daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        try:
            with link:
                Connection(link, self._image, self._account).serve()
        finally:
            with self._lock:
                self._links.discard(link)
            self._places.release()


def _hang_up(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:  # gone already
        return
