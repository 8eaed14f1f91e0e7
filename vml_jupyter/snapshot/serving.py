"""Serve one image to the hypervisor on this host: HTTP on loopback, parts of it by ``Range``.

    GET /area.iso     Cookie: vml=TOKEN     200 everything
                      Range: bytes=0-2047   206 a part; several parts as multipart/byteranges
    HEAD /area.iso                          200 size and ETag only
    without the cookie 403, another path 404, no such part 416, a request with a body 413

QEMU sends the cookie because the domain's XML holds it. Nothing is logged: a request could hold the token.
"""

from __future__ import annotations

import errno
import logging
import re
import socket
import sys
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from threading import BoundedSemaphore, Lock, Thread
from types import TracebackType
from typing import Any

from vml_jupyter.errors import PortTaken, Usage
from vml_jupyter.snapshot.image.answers import COOKIE, PATH, Answer
from vml_jupyter.snapshot.image.served import Account, Readable, ServingStats
from vml_jupyter.snapshot.image.wire import Turns

MAX_CONNECTIONS = 64
_PATIENCE_S = 2.0
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,256}")
_log = logging.getLogger(__name__)


class ImageServer:
    """A port on which an image can be read; use as a context manager, or ``start`` and ``close``.

    Attributes:
        host: The address it listens on.
        port: The port.
        url: Where the image is.
        cookie: What a client must send as ``Cookie``.
    """

    def __init__(self, image: Readable, token: str, host: str, port: int) -> None:
        self._server = _Server((host, port), image, token)
        self._thread: Thread | None = None
        self.host, self.port = host, int(self._server.server_address[1])
        self.url = f"http://{host}:{self.port}{PATH}"
        self.cookie = f"{COOKIE}={token}"

    def start(self) -> ImageServer:
        """Answer requests in threads from now on."""
        if self._thread is None:
            run, poll_s = self._server.serve_forever, 0.1
            self._thread = Thread(target=run, args=(poll_s,), name="vml-area-disk", daemon=True)
            self._thread.start()
        return self

    def close(self) -> None:
        """Answer no more, and end the connections there are; the image stays open."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.hang_up()

    def stats(self) -> ServingStats:
        """Return what has been served until now."""
        return self._server.account.stats()

    def __enter__(self) -> ImageServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve_image(image: Readable, token: str, host: str = "127.0.0.1", port: int = 0) -> ImageServer:
    """Bind a server for ``image``, which answers once it is started.

    Args:
        image: What to serve.
        token: What the cookie must hold: 16 or more letters, digits, ``-`` and ``_``.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Raises:
        PortTaken: The port is in use.
        Usage: The token is too short or has other characters.
    """
    if not _TOKEN.fullmatch(token):
        raise Usage("the token for the disk server is too short, or no plain text")
    try:
        return ImageServer(image, token, host, port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}", "Choose another port") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, address: tuple[str, int], image: Readable, token: str) -> None:
        self.image, self.token = image, token.encode()
        self.account = Account(image.size, image.data_start)
        self.turns = Turns(_PATIENCE_S)
        self._places = BoundedSemaphore(MAX_CONNECTIONS)
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        super().__init__(address, Answer)

    def server_bind(self) -> None:
        """Bind without asking a name server for this host's name, as HTTPServer does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.discard(request)
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # an OSError means that the other side went away
            _log.exception("the disk server failed")

    def hang_up(self) -> None:
        """End every open connection, so that its thread ends."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError as error:
                    _log.debug("a connection had ended already: %s", error.strerror)
