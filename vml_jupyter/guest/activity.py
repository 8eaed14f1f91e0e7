"""Ask a machine's Jupyter whether anybody uses it.

    GET api/kernels, GET api/status  ->  busy?  idle for how many seconds, by the guest's own clock

Both are asked so that asking does not count as use. A guest may answer anything: answers are bounded and typed, and one
that cannot be read counts as use. The most a guest can do is to have itself suspended, or not.
"""

from __future__ import annotations

import datetime
import http.client
import io
import socket
import time
from email.utils import parsedate_to_datetime

import msgspec

from vml_jupyter.parsing import parse

_ANSWER_S = 5.0
_LIMIT = 1 << 20
_UNTRACKED = "?no_track_activity=1"


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a cell runs, and for how long nothing has been asked of Jupyter, its kernels and its terminals."""

    busy: bool
    idle_s: float


class _Kernel(msgspec.Struct, frozen=True):
    execution_state: str = ""


class _Status(msgspec.Struct, frozen=True):
    last_activity: datetime.datetime


def activity(port: int, base_url: str, token: str) -> Activity | None:
    """Return what a machine's Jupyter says of its use; None where it does not say."""
    try:
        kernels, _ = _get(port, base_url, token, "api/kernels")
        status, now = _get(port, base_url, token, "api/status")
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    return judged(kernels, status, now)


def judged(kernels: bytes, status: bytes, now: datetime.datetime) -> Activity | None:
    """Return what two answers mean at the guest's own time; None where they mean nothing."""
    try:
        states = [kernel.execution_state for kernel in parse(kernels, list[_Kernel])]
        idle_s = (now - parse(status, _Status).last_activity).total_seconds()
    except (msgspec.DecodeError, TypeError, OverflowError):
        return None
    return Activity(busy="busy" in states, idle_s=max(0.0, idle_s))


def answers(port: int, base_url: str, token: str, timeout_s: float = _ANSWER_S) -> bool:
    """Tell whether Jupyter answers at its port of this host in time."""
    try:
        _get(port, base_url, token, "api/status", timeout_s)
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return False
    return True


class _Received:
    """Bytes that came over a socket, as http.client wants to read them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _get(
    port: int, base_url: str, token: str, what: str, timeout_s: float = _ANSWER_S
) -> tuple[bytes, datetime.datetime]:
    """Return an answer's body, and when the guest says that it gave it."""
    path = f"{base_url.rstrip('/')}/{what}{_UNTRACKED}"
    lines = (f"GET {path} HTTP/1.0", "Host: localhost", f"Authorization: token {token}", "", "")
    deadline = time.monotonic() + timeout_s
    with socket.create_connection(("127.0.0.1", port), timeout_s) as link:
        link.sendall("\r\n".join(lines).encode("ascii"))
        received = _receive(link, deadline)
    answer = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]  # all that it asks for is there
    answer.begin()
    if answer.status != http.client.OK:
        raise ValueError(f"status {answer.status}")
    return answer.read(), parsedate_to_datetime(answer.headers["Date"])


def _receive(link: socket.socket, deadline: float) -> bytes:
    """Return all that comes until the other side closes; it is a guest's, so neither size nor time is left to it."""
    parts, size = [], 0
    while part := link.recv(65536):
        parts.append(part)
        size += len(part)
        left = deadline - time.monotonic()
        if size > _LIMIT or left <= 0:
            raise ValueError(f"{size} bytes and no end")
        link.settimeout(left)
    return b"".join(parts)
