"""Know when the program at the other end of a connection has read everything that was sent to it.

ours    tx_queue   sent, not yet acknowledged     asked of the socket
theirs  rx_queue   acknowledged, not yet read     /proc/net/tcp, where the other end is on this host too

sl  local_address rem_address   st tx_queue:rx_queue ...
7: 0100007F:9C41 0100007F:8F0D 01 00000000:00010000 ...
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from pathlib import Path
from typing import cast

_SOCKETS = Path("/proc/net/tcp")
_POLL_S = 0.0002


def wait_until_read(connection: socket.socket, patience_s: float) -> None:
    """Wait until nothing is on its way or unread, or until ``patience_s`` are over."""
    until = time.monotonic() + patience_s
    row = _row(connection)
    while (_unacknowledged(connection) or _unread(row)) and time.monotonic() < until:
        time.sleep(_POLL_S)


def _unacknowledged(connection: socket.socket) -> bool:
    return struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4))) != (0,)


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
