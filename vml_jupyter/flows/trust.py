r"""Entries whose pages the user lets share the origin of a Jupyter server, and those that came from elsewhere.

    <data>/trusted-entries      one line each, mode 0600:  <entry id> is trusted   !<entry id> is foreign
                                the last line of an entry counts

Behind the proxy, script from a machine acts on the server as the user does. So only machines of entries
that were made here, or that the user said to trust, are shown there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a Jupyter server has the list from its start, and must start quickly
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.model import Entry


class TrustedEntries:
    """The list in ``file``; several servers of one user may add to it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __contains__(self, entry: str) -> bool:
        return bool(entry) and self._last(entry) == entry

    def is_foreign(self, entry: str) -> bool:
        """Tell whether an entry was imported and is not trusted yet."""
        return self._last(entry) == f"!{entry}"

    def foreign(self) -> frozenset[str]:
        """Return all entries that were imported and are not trusted yet."""
        last: dict[str, bool] = {}
        for word in self._words():
            last[word.removeprefix("!")] = word.startswith("!")
        return frozenset(entry for entry, is_foreign in last.items() if is_foreign)

    def add(self, entry: str) -> None:
        """Trust an entry from now on."""
        if entry not in self:
            self._append(entry)

    def add_foreign(self, entry: str) -> None:
        """Mark an entry as somebody else's, whatever was said of its id before."""
        if not self.is_foreign(entry):
            self._append(f"!{entry}")

    def _last(self, entry: str) -> str:
        return next(
            (word for word in reversed(self._words()) if word.removeprefix("!") == entry and entry), ""
        )

    def _words(self) -> list[str]:
        return self._file.read_text("utf-8").split() if self._file.exists() else []

    def _append(self, line: str) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One write of one short line in append mode: two servers never mix theirs.
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"{line}\n".encode())
        finally:
            os.close(handle)


def trusted(settings: Settings) -> TrustedEntries:
    """Return the list of this user."""
    return TrustedEntries(settings.data / "trusted-entries")


def trust(settings: Settings, entry_id: str) -> Entry:
    """Trust an entry, and return it.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    from vml_jupyter.flows.entries import opened

    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
    trusted(settings).add(entry.id)
    return entry
