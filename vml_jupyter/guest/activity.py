"""Ask a machine's Jupyter whether anybody uses it.

    GET api/kernels, GET api/status  ->  busy?  idle for how many seconds, by the guest's own clock

Both are asked so that asking does not count as use. A guest may answer anything: answers are bounded and typed, and one
that cannot be read counts as use. The most a guest can do is to have itself suspended, or not.
"""

from __future__ import annotations

import datetime
import http.client
from email.utils import parsedate_to_datetime

import msgspec

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
        states = [kernel.execution_state for kernel in msgspec.json.decode(kernels, type=list[_Kernel])]
        last = msgspec.json.decode(status, type=_Status).last_activity
        idle_s = (now - last).total_seconds()
    except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError, TypeError):
        return None
    return Activity(busy="busy" in states, idle_s=max(0.0, idle_s))


def answers(port: int, base_url: str, token: str, timeout_s: float = _ANSWER_S) -> bool:
    """Tell whether Jupyter answers at its port of this host in time."""
    try:
        _get(port, base_url, token, "api/status", timeout_s)
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return False
    return True


def _get(
    port: int, base_url: str, token: str, what: str, timeout_s: float = _ANSWER_S
) -> tuple[bytes, datetime.datetime]:
    """Return an answer's body, and when the guest says that it gave it."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        path = f"{base_url.rstrip('/')}/{what}{_UNTRACKED}"
        link.request("GET", path, headers={"Authorization": f"token {token}"})
        answer = link.getresponse()
        body = answer.read(_LIMIT + 1)
        if answer.status != http.client.OK or len(body) > _LIMIT:
            raise ValueError(f"status {answer.status}, {len(body)} bytes")
        return body, parsedate_to_datetime(answer.headers["Date"])
    finally:
        link.close()
