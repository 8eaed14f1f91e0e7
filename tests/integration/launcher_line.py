"""The network between a launcher and its server, which a test can cut in the middle of what it carries."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

_PIECE = 65536


@dataclass
class Moment:
    """When something is to happen: so many bytes into the answer to the first request whose head looks like this."""

    name: str
    request: bytes
    after: int


STAGES = [
    Moment("pair", rb"POST /vml/launches HTTP", 0),
    Moment("context", rb"GET \S+/context\.iso", 2000),
    Moment("fetch", rb"GET \S+/image", 2 << 20),
    Moment("ready", rb"GET \S+/area\.iso", 2000),
    Moment("capture", rb"POST \S+/captures/\w+\?at=[1-9]", 0),
]
"""The middle of each of a launcher's stages."""


class Line:
    """Carries bytes between 127.0.0.1:``port`` and a server, one connection each.

    While it is cut, nothing passes and nobody is told: connections stay, as where packets get lost.

    Args:
        to: The server's port.
        moments: When ``happens`` is called, once each, with the moment's name; what is carried waits meanwhile, and is
            lost with its connection where that returns true.
    """

    def __init__(self, to: int, moments: list[Moment]) -> None:
        self._to = to
        self._waiting = list(moments)
        self.happens: Callable[[str], bool] = lambda name: False
        self.happened: list[str] = []
        self._open = threading.Event()
        self._open.set()
        self._mutex = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Line:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def cut(self, seconds: float) -> bool:
        """Let nothing pass for so long, and nothing be lost by it; returns at once."""
        self._open.clear()
        timer = threading.Timer(seconds, self._open.set)
        timer.daemon = True
        timer.start()
        return False

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                self._open.wait()
                threading.Thread(target=self._carry, args=(link,), daemon=True).start()

    def _carry(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            head = link.recv(_PIECE)
            moment = self._moment(head)
            try:
                with socket.create_connection(("127.0.0.1", self._to)) as far:
                    far.sendall(head)
                    threading.Thread(target=self._pump, args=(link, far), daemon=True).start()
                    self._pump(far, link, moment)
            finally:
                if moment is not None and moment.name not in self.happened:
                    self._waiting.append(moment)  # for the next such request: nobody answered this one

    def _moment(self, head: bytes) -> Moment | None:
        with self._mutex:
            line = head.partition(b"\r\n")[0]
            found = next((each for each in self._waiting if re.match(each.request, line)), None)
            if found:
                self._waiting.remove(found)
            return found

    def _pump(self, source: socket.socket, sink: socket.socket, moment: Moment | None = None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_PIECE):
                passed += len(data)
                if moment and passed > moment.after:
                    self.happened.append(moment.name)
                    if self.happens(moment.name):
                        sink.shutdown(socket.SHUT_RDWR)
                        return
                    moment = None
                self._open.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
