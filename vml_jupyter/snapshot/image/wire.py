"""Give answers one at a time: each begins when the one before has been read by the program it was for.

    ours    TIOCOUTQ   sent, not yet acknowledged     asked of the socket
    theirs  rx_queue   acknowledged, not yet read     /proc/net/tcp, where the other end is on this host too

    sl  local_address rem_address   st tx_queue:rx_queue ...
     7: 0100007F:9C41 0100007F:8F0D 01 00000000:00010000 ...

Why: QEMU's curl driver (seen with 7.2) takes note of one finished transfer per event; when two end together it forgets
the second, and the guest waits for those bytes for ever.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import cast

_SOCKETS = Path("/proc/net/tcp")
_POLL_S = 0.0002


class Turns:
    """Let connections take turns; a reader that dawdles delays the others by a while, not for ever.

    Args:
        patience_s: How long to wait for the answer before this one to be sent, and again for it to be read.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._lock = Lock()
        self._last: tuple[socket.socket, bytes] | None = None

    @contextmanager
    def take(self, connection: socket.socket) -> Iterator[None]:
        """Have the wire to oneself, after whoever had it before has read everything."""
        alone = self._lock.acquire(timeout=self._patience_s)
        try:
            if self._last is not None and self._last[0] is not connection:  # who asks again has read all
                _wait_until_read(*self._last, self._patience_s)
            self._last = (connection, _row(connection))
            yield
        finally:
            if alone:
                self._lock.release()


def _wait_until_read(connection: socket.socket, row: bytes, patience_s: float) -> None:
    until = time.monotonic() + patience_s
    while (_unacknowledged(connection) or _unread(row)) and time.monotonic() < until:
        time.sleep(_POLL_S)


def _unacknowledged(connection: socket.socket) -> bool:
    try:
        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):  # closed by now
        return False
    return struct.unpack("i", answer) != (0,)


def _unread(row: bytes) -> bool:
    """Say whether the socket that ``row`` begins with holds bytes; one that is not listed holds none."""
    try:
        table = _SOCKETS.read_bytes() if row else b""
    except OSError:  # hidden by a sandbox; then only what is unacknowledged is known
        return False
    at = table.find(row)
    if at < 0 or not row:
        return False
    queues = table[at + len(row) :].split(maxsplit=2)[1]
    return int(queues.partition(b":")[2], 16) != 0


def _row(connection: socket.socket) -> bytes:
    """Return what the other end's line in the table begins with; nothing for what is no IPv4."""
    if connection.family != socket.AF_INET:
        return b""
    return f" {_spell(connection.getpeername())} {_spell(connection.getsockname())} ".encode()


def _spell(address: object) -> str:
    host, port = cast("tuple[str, int]", address)
    number = struct.unpack("=I", socket.inet_aton(host))[0]  # the kernel prints it in this machine's order
    return f"{number:08X}:{port:04X}"
