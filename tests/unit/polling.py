"""Wait for what another thread does: by looking again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

_DEADLINE_S = 30.0


def eventually(holds: Callable[[], bool]) -> None:
    """Return as soon as it holds; fail where it does not in time."""
    deadline = time.monotonic() + _DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        time.sleep(0.01)
