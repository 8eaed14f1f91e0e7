"""Entries of the logbook: list, search, edit, take, restore, forget, take back."""

from __future__ import annotations

import os
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.model import Query, Shape
from vml_jupyter.progress import Progress
from vml_jupyter.server.access import access_for
from vml_jupyter.server.area import Area, area_at
from vml_jupyter.server.handler import ListHandler, VmlHandler
from vml_jupyter.server.views import captured_view, entry_view, restored_view

if TYPE_CHECKING:
    from vml_jupyter.flows.warm import Recipe
    from vml_jupyter.server.app import VmlExtension


class SnapshotRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is a notebook's or a folder's path in the Contents API; ``cell`` the id of the cell worked on.

    ``leave_out`` are files of the area that are to stay out from now on; ``automatic`` means that nobody asked.
    """

    path: str
    cell: str = ""
    title: str = ""
    note: str = ""
    release: str = ""
    tags: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    automatic: bool = False


class RestoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Empty fields mean: as recorded in the entry, as set by the user; ``recorded`` only says what that is."""

    release: str = ""
    recorded: str = ""
    without_pins: tuple[str, ...] = ()
    shape: Shape | None = None


class Place(NamedTuple):
    """Below which path, and for pages of which origin, a machine's Jupyter is to answer.

    Both hold ``{machine}`` where the id of the machine belongs, which is not known yet.
    """

    base_url: str
    origin: str


class EditRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is not named stays as it is."""

    title: str | None = None
    note: str | None = None
    project: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


class EntriesHandler(ListHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Reply with the entries; ``?search=words``, ``?forgotten=1`` and ``?limit=100`` say which.

        ``?all=1`` asks for the snapshots that restic wrote, too.
        """
        limit = self.get_query_argument("limit", "0")
        query = Query(
            search=self.get_query_argument("search", ""),
            forgotten=self.get_query_argument("forgotten", "") == "1",
            restic=self.get_query_argument("all", "") == "1",
            limit=int(limit) if limit.isdecimal() else 0,
        )
        await self.reply_if_new(partial(self._encoded, query))

    def _encoded(self, query: Query) -> bytes:
        entries = self.vml.shelf.entries(query)
        shared, foreign = self.vml.shelf.is_shared(), self.vml.trusted.foreign()
        told = [{**entry_view(entry), "shared": shared, "foreign": entry.id in foreign} for entry in entries]
        return msgspec.json.encode({"entries": told})


class EntryHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def patch(self, entry: str) -> None:
        asked = self.body(EditRequest)
        changes = {name: getattr(asked, name) for name in asked.__struct_fields__}
        edited = await self.beside(partial(self.vml.flows.edit, entry, **changes))
        self.vml.tell_entry("edited", entry)
        self.reply(entry_view(edited))

    @web.authenticated
    @authorized
    async def delete(self, entry: str) -> None:
        await self.beside(self.vml.flows.forget, entry)
        self.vml.tell_entry("forgotten", entry)
        self.reply({"entry": entry})


class DurabilityHandler(ListHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Reply how it stands with all entries, or with ``?entry=id``; ``?asking=1`` asks the servers, too."""
        entry = self.get_query_argument("entry", "")
        asking = self.get_query_argument("asking", "") == "1"
        await self.reply_if_new(partial(self._encoded, entry, asking))

    def _encoded(self, entry: str, asking: bool) -> bytes:
        return msgspec.json.encode({"entries": self.vml.flows.durabilities(entry, asking=asking)})


class UnforgetHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, entry: str) -> None:
        taken = await self.beside(self.vml.flows.unforget, entry)
        self.vml.tell_entry("taken back", entry)
        self.reply(entry_view(taken))


class SnapshotsHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        asked = self.body(SnapshotRequest)
        area = await self.beside(area_at, self.contents_manager, asked.path)
        work = partial(capture, self.vml, area, asked)
        kind = "autosnapshot" if asked.automatic else "snapshot"
        like = f"{kind} {asked.path}"
        job = self.vml.desk.submit(kind, asked.title or asked.path, work, subject=asked.path, like=like)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class RestoreHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, entry: str) -> None:
        asked = self.body(RestoreRequest)
        work = partial(restore, self.vml, entry, asked, self.place())
        like = f"restore {asked.release or asked.recorded}"
        job = self.vml.desk.submit("restore", entry, work, subject=entry, like=like)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)

    def place(self) -> Place:
        access = access_for(self.request, self.vml.machine_access, os.environ)
        if self.vml.machine_address:
            return Place("/", self.vml.machine_address.rstrip("/"))
        return Place("/" if access == "direct" else self.vml.proxy_base_url, "")


def capture(vml: VmlExtension, area: Area, asked: SnapshotRequest, progress: Progress) -> dict[str, Any]:
    """Do the work of a snapshot job; what was captured here is trusted here."""
    entry = vml.shelf.capture(
        area.folder,
        notebook=area.notebook,
        cell=asked.cell,
        title=asked.title,
        note=asked.note,
        release=asked.release or None,
        tags=asked.tags,
        leave_out=asked.leave_out,
        automatic=asked.automatic,
        progress=progress,
    )
    vml.trusted.add(entry.id)
    return captured_view(entry)


def restore(
    vml: VmlExtension, entry: str, asked: RestoreRequest, place: Place, progress: Progress
) -> dict[str, Any]:
    """Do the work of a restore job."""
    restored = vml.flows.restore(
        entry,
        release=asked.release or None,
        without_pins=asked.without_pins,
        shape=asked.shape,
        base_url=place.base_url,
        origin=place.origin,
        progress=progress,
    )
    if restored.recipe is not None:
        work = partial(keep_warm, vml, restored.recipe)
        vml.desk.submit("warm", restored.machine.release.label, work)
    return restored_view(restored)


def keep_warm(vml: VmlExtension, recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """Do the work of a job that keeps a release warm, so that the next restore is quick."""
    return {"state": vml.flows.keep_warm(recipe, progress)}
