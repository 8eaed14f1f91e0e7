"""Links to machines that can be shown in a notebook: each opens its machine once, and only while this kernel lives.

    <a href="http://127.0.0.1:PORT/NONCE">   --GET-->   303 to the machine's own address, with its key

Whatever a widget shows may be saved with the notebook, by JupyterLab's "Save Widget State" or by whoever executes it. A
machine's address holds its key, so no widget ever has it: the key goes from this process to the browser alone, and a
link that was used, or that outlived its kernel, opens nothing.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from vml_jupyter.errors import VmlError

_SEE_OTHER, _GONE = 303, 410
_USED = "This link was used before, or its notebook has ended. Run `%vml open` for a new one."


@dataclass(frozen=True)
class _Way:
    address: Callable[[], str]
    used: Callable[[], None]


class Door:
    """One small server on 127.0.0.1, started with the first link; a daemon's thread, which ends with the process."""

    def __init__(self) -> None:
        # The same thread comes again where the collector ends a widget in the middle of this, which forgets its link.
        self._lock = threading.RLock()
        self._ways: dict[str, _Way] = {}
        self._server: _Server | None = None

    def link(self, address: Callable[[], str], used: Callable[[], None]) -> str:
        """Return a link that leads once to what ``address`` returns then.

        Args:
            address: Asked when the link is followed, on a thread of the door's.
            used: Called after that: the moment for a new link.
        """
        nonce = secrets.token_urlsafe(24)
        with self._lock:
            self._ways[nonce] = _Way(address, used)
            self._server = self._server or _Server(self)
            return f"http://127.0.0.1:{self._server.server_port}/{nonce}"

    def forget(self, link: str) -> None:
        """Let a link lead nowhere."""
        with self._lock:
            self._ways.pop(link.rpartition("/")[2], None)

    def follow(self, nonce: str) -> _Way | None:
        """Return where a link leads, the first time; None ever after."""
        with self._lock:
            return self._ways.pop(nonce, None)

    def close(self) -> None:
        """End the server; no link leads anywhere any more."""
        with self._lock:
            server, self._server = self._server, None
            self._ways.clear()
        if server:
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, door: Door) -> None:
        self.door = door
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, name="vml-door", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    timeout = 10.0

    def do_GET(self) -> None:
        way = cast("_Server", self.server).door.follow(self.path[1:])
        try:
            address = way.address() if way else ""
        except VmlError as error:
            self._answer(_GONE, str(error))
        else:
            self._answer(_SEE_OTHER if address else _GONE, _USED, address)
        if way:
            way.used()

    def _answer(self, status: int, text: str, address: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        if address:
            self.send_header("Location", address)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        return None


DOOR = Door()
