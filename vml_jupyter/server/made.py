"""Launchers that were made and wait to be downloaded: in this server's memory alone, as there is a token in each."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from vml_jupyter.errors import NotFound
from vml_jupyter.progress import Progress
from vml_jupyter.server.reached import Reached

if TYPE_CHECKING:
    from vml_jupyter.flows.launches import Launcher
    from vml_jupyter.flows.settings import Settings

_MOST = 16


class MadeLaunchers:
    """The last few launchers, by their digest."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: OrderedDict[str, Launcher] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, entry: str, server: Reached, progress: Progress) -> dict[str, Any]:
        """Do the work of a job: make a launcher, and say what it is called; not what is in it, as jobs are kept."""
        from vml_jupyter.flows.launches import launcher

        made = launcher(
            self._settings, entry, (server.address,), certificate=server.certificate, progress=progress
        )
        with self._lock:
            self._held[made.sha256] = made
            while len(self._held) > _MOST:
                self._held.popitem(last=False)
        return {"entry": made.entry, "sha256": made.sha256, "expires": made.expires}

    def find(self, entry: str, sha256: str) -> Launcher:
        """Return a launcher of an entry.

        Raises:
            NotFound: It was made by a server before this one, or long ago.
        """
        with self._lock:
            made = self._held.get(sha256)
        if made is None or made.entry != entry or made.expires < time.time():
            raise NotFound("this launcher is not kept any more", "Make it anew.")
        return made
