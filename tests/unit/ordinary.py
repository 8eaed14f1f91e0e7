"""Tests that root runs, as somebody without rights."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def ordinary_user(folder: Path) -> Iterator[int]:
    """Act as a user who may write in ``folder`` and has no rights beyond, if root runs the tests; yield who."""
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    folder.chmod(0o777)
    for above in folder.parents:
        if above.stat().st_uid == 0 and above.is_relative_to(
            tempfile.gettempdir()
        ):  # pytest's own, which only root may enter
            above.chmod(above.stat().st_mode | 0o011)
    os.seteuid(NOBODY)
    try:
        yield NOBODY
    finally:
        os.seteuid(0)
