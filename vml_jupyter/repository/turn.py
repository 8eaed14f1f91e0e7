"""Whose turn it is to make many short calls.

A thread that reads, hashes or seals small things leaves the interpreter's lock and asks for it back tens
of thousands of times a second. Two such threads wake each other up each time, and together take longer than
one alone (twice as long, measured on two cores). So they take turns, some milliseconds each, and only
long native calls, such as compressing a batch, run beside them.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

_TURN = threading.Lock()


def turn(short_calls: bool = True) -> AbstractContextManager[object]:
    """Return what to hold while making many short calls; never wait for another thread inside.

    Args:
        short_calls: False where the calls will be long ones, which need no turn.
    """
    return _TURN if short_calls else nullcontext()
