"""Wait for something outside, with a deadline: the only place of this room that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], timeout_s: float, every_s: float = 0.05) -> bool:
    """Return True as soon as the condition holds, False when the time is up and it still does not."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)  # no event tells: files, processes and domains of others are watched here
    return True
