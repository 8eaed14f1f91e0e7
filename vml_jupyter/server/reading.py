"""Look before taking, and into what was taken: previews of a snapshot, the files of an entry, its whole record.

A file is never served as a page of its own: the browser gets JSON, and shows what is in it as text, as an image
or as sanitised output. So nothing that somebody put into an entry runs in the origin of this server.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.errors import Cancelled
from vml_jupyter.model import Entry
from vml_jupyter.progress import Silent
from vml_jupyter.server.area import area_at
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.views import entry_view, whole_environment_view


class Leaving(Silent):
    """Progress that nobody hears, and that ends the work when the browser has turned away."""

    gone = False

    def stage(self, name: str, title: str) -> None:
        self._check()

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._check()

    def _check(self) -> None:
        if self.gone:
            raise Cancelled


class ListeningHandler(VmlHandler):
    """A handler whose work ends when the browser closes the connection."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.leaving = Leaving()

    def on_connection_close(self) -> None:
        self.leaving.gone = True
        super().on_connection_close()

    def reply_to(self, what: Any) -> None:
        """Reply, unless nobody listens any more."""
        if not self.leaving.gone:
            self.reply(what)


class PreviewHandler(ListeningHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Reply with what a snapshot of ``?path=`` would hold; nothing is written."""
        area = await self.beside(area_at, self.contents_manager, self.get_query_argument("path"))
        try:
            self.reply_to(await self.beside(self.vml.shelf.preview, area.folder, self.leaving))
        except Cancelled:
            self.log.debug("A preview was not waited for")


class SecretsHandler(ListeningHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Reply where in ``?path=`` something looks like a secret, never what."""
        area = await self.beside(area_at, self.contents_manager, self.get_query_argument("path"))
        try:
            self.reply_to(await self.beside(self.vml.shelf.secrets, area.folder, self.leaving))
        except Cancelled:
            self.log.debug("A look for secrets was not waited for")


class ThumbnailHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        """Reply with the last plot of an entry's notebook as data, ``null`` where it has none."""
        image = await self.beside(self.vml.shelf.thumbnail, entry)
        # What an entry holds never changes, so the browser asks for each once.
        self.set_header("Cache-Control", "private, max-age=86400")
        self.reply({"image": image})


class DetailsHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        found = await self.beside(self.vml.shelf.details, entry)
        here = await self.beside(path_here, self.contents_manager, found.entry)
        self.reply(
            {
                "entry": entry_view(found.entry),
                "environment": whole_environment_view(found.entry.environment),
                "unreadable": found.entry.unreadable,
                "changing": found.entry.changing,
                "snapshot": found.entry.snapshot,
                "parent": entry_view(found.parent) if found.parent else None,
                "children": [entry_view(child) for child in found.children],
                "here": here,
            }
        )


class FolderHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        """Reply with one folder of an entry, ``?path=``."""
        path = self.get_query_argument("path", "", strip=False)
        self.reply(await self.beside(self.vml.shelf.folder, entry, path))


class FileHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        """Reply with one file of an entry, ``?path=``, the way it can be shown."""
        path = self.get_query_argument("path", strip=False)
        self.set_header("X-Content-Type-Options", "nosniff")
        # Encoded beside the event loop, too: a notebook of many megabytes is.
        self.finish(await self.beside(self._encoded, entry, path))

    def _encoded(self, entry: str, path: str) -> bytes:
        return msgspec.json.encode(self.vml.shelf.file(entry, path))


def path_here(contents_manager: Any, entry: Entry) -> str | None:
    """Return the Contents path of the folder that an entry was taken from, None where this server does not show it.

    What an entry says of its folder is somebody's claim: it is only told, and used when the user asks for it.
    """
    root = getattr(contents_manager, "root_dir", "")
    if not root or not entry.area or "\0" in entry.area:
        return None
    try:
        folder = Path(entry.area)
        relative = folder.resolve().relative_to(Path(root).expanduser().resolve())
        return str(PurePosixPath(relative)).removeprefix(".") if folder.is_dir() else None
    except (ValueError, OSError):
        return None
