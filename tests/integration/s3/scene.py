"""What the tests of buckets share beside their fixtures."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

PASSWORD = "the password of the logbook"
MIB = 1 << 20

Run = Callable[..., subprocess.CompletedProcess[str]]


def entry_of(done: subprocess.CompletedProcess[str]) -> str:
    return str(json.loads(done.stdout)["entry"])
