r"""Entries whose pages the user lets share the origin of this server.

    <data>/trusted-entries      one entry id per line, mode 0600

Behind the proxy, script from a machine acts on this server as the user does. So only machines of entries
that were made here, or that the user said to trust, are shown there.
"""

from __future__ import annotations

import os
from pathlib import Path


class TrustedEntries:
    """The list in ``file``; several servers of one user may add to it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __contains__(self, entry: str) -> bool:
        return self._file.exists() and entry in self._file.read_text("utf-8").split()

    def add(self, entry: str) -> None:
        """Trust an entry from now on."""
        if entry in self:
            return
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write of one short line in append mode: two servers never mix theirs.
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{entry}\n".encode())
        finally:
            os.close(handle)
