"""Compare an entry with another one, or with a folder of this server as it is now; then one file of the two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.errors import Cancelled, Usage
from vml_jupyter.server.area import area_at
from vml_jupyter.server.reading import ListeningHandler

_MOST_FILES = 2_000


class ChangesHandler(ListeningHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        """Reply with what changed from ``entry`` to ``?after=ENTRY`` or to the folder ``?path=``."""
        after, area = await self.sides()
        try:
            self.reply_to(await self.beside(self._changes, entry, after, area))
        except Cancelled:
            self.log.debug("A comparison was not waited for")

    async def sides(self) -> tuple[str, Path | None]:
        """Return what is compared with: an entry, or a folder.

        Raises:
            Usage: Neither was named, or both.
            BadArea: The folder is none, or is not shown by this server.
        """
        after = self.get_query_argument("after", "")
        path = self.get_query_argument("path", None)
        if bool(after) == (path is not None):
            raise Usage("an entry is compared with another one or with a folder", "Name one of them.")
        if path is None:
            return after, None
        return "", (await self.beside(area_at, self.contents_manager, path)).folder

    def _changes(self, entry: str, after: str, area: Path | None) -> dict[str, Any]:
        found = self.vml.shelf.changes(entry, after, area, self.leaving)
        told = {name: getattr(found, name) for name in ("before", "counts", "environment", "unreadable")}
        files = found.files[:_MOST_FILES]
        # An area's own path on disk is nobody's business who sees the screen.
        return {**told, "after": after, "files": files, "total": len(found.files)}


class FileChangeHandler(ChangesHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        """Reply with how the file ``?file=`` changed; the two sides are named as for ``ChangesHandler``."""
        after, area = await self.sides()
        file = self.get_query_argument("file", strip=False)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(await self.beside(self._encoded, entry, after, area, file))

    def _encoded(self, entry: str, after: str, area: Path | None, file: str) -> bytes:
        return msgspec.json.encode(self.vml.shelf.file_change(entry, after, area, file))
