"""Hang up on a server that takes its time, wherever the reading of its answer stands.

    TLS, request, head of the answer --deadline--> body --a deadline of its own, or one that moves on as bytes arrive-->

The time-outs of sockets count from one byte to the next, so a server that sends a byte now and then would be waited
for without end. A timer does not read: it shuts the connection down, and whoever reads finds that it ended.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stalled(Exception):
    """The server sends next to nothing."""


class Deadline:
    """A moment at which connections are shut down; the end of the ``with`` block calls it off.

    Args:
        seconds: When, from now.
    """

    def __init__(self, seconds: float) -> None:
        self._mutex = threading.Lock()
        self._connections: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self.passed = False
        self.set(seconds)

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, *_: object) -> None:
        self.lift()
        with self._mutex:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def set(self, seconds: float) -> None:
        """Put the deadline where it is that long from now; one that has passed stays so."""
        self.lift()
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def lift(self) -> None:
        """Have no deadline for now."""
        if self._timer:
            self._timer.cancel()

    def check(self) -> None:
        """Find out whether what ended was ended here.

        Raises:
            Stalled: The deadline has passed.
        """
        if self.passed:
            raise Stalled

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have connections that are made in the ``with`` block by a ``session`` shut down at the deadline."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def watch(self, connection: socket.socket) -> None:
        """Shut this connection down, too, at once where the deadline has passed.

        It is watched by a second descriptor of the same connection: TLS, once it is spoken, takes the first away.
        """
        with self._mutex:
            self._connections.append(connection.dup())
            if self.passed:
                self._hang_up()

    def _pass(self) -> None:
        with self._mutex:
            self.passed = True
            self._hang_up()

    def _hang_up(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):  # the server was faster
                connection.shutdown(socket.SHUT_RDWR)


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


def watched(connection: socket.socket) -> socket.socket:
    """Let the deadline of who is connecting, if there is one, know of a connection."""
    deadline = _CURRENT.get()
    if deadline:
        deadline.watch(connection)
    return connection
