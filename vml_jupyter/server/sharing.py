"""Entries leave the logbook as one file in a folder of this server, and the example comes into one.

GET  vml/api/entries/<id>/secrets    where in it something looks like a secret, never what
POST vml/api/entries/<id>/export     {"to", "leave_out", "allow_secrets", "with_release"} -> a job
POST vml/api/example                 {"to"} -> {"path"}, the notebook's path in the Contents API
"""

from __future__ import annotations

import os
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.errors import Cancelled, WouldOverwrite
from vml_jupyter.progress import Progress
from vml_jupyter.server.area import area_at
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.laying import target_at
from vml_jupyter.server.reading import ListeningHandler

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is the file's path in the Contents API; ``with_release`` puts the CernVM image into it, too.

    Where something looks like a secret, nothing is written unless ``leave_out`` or ``allow_secrets`` says what to do.
    """

    to: str
    leave_out: bool = False
    allow_secrets: bool = False
    with_release: bool = False


class ExampleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is the folder, in the Contents API, in which the example's own is made."""

    to: str = ""


class EntrySecretsHandler(ListeningHandler):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        try:
            self.reply_to(await self.beside(self.vml.shelf.entry_secrets, entry, self.leaving))
        except Cancelled:
            self.log.debug("A look for secrets was not waited for")


class ExportHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, entry: str) -> None:
        """Reply with a job; with 409 and a free name where something is there already."""
        asked = self.body(ExportRequest)
        target = target_at(self.contents_manager, asked.to)
        if target.exists() or target.is_symlink():
            raise WouldOverwrite(f"{asked.to!r} is there already", f"{_free(target)!r} is a free name")
        work = partial(export, self.vml, entry, target, asked)
        job = self.vml.desk.submit("export", entry, work, subject=entry)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class ExampleHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        asked = self.body(ExampleRequest)
        parent = (await self.beside(area_at, self.contents_manager, asked.to)).folder
        notebook = await self.beside(self.vml.shelf.lay_example, parent)
        made = notebook.relative_to(parent).as_posix()
        self.reply({"path": f"{asked.to.strip('/')}/{made}".lstrip("/")}, HTTPStatus.CREATED)


def export(
    vml: VmlExtension, entry: str, target: Path, asked: ExportRequest, progress: Progress
) -> dict[str, Any]:
    """Do the work of the job."""
    done = vml.shelf.export(
        entry,
        target,
        with_release=asked.with_release,
        leave_out=asked.leave_out,
        allow_secrets=asked.allow_secrets,
        progress=progress,
    )
    return {"path": asked.to.strip("/"), "bytes": done.size_bytes, "left_out": done.left_out}


def _free(target: Path) -> str:
    """Return 'fits-2.vml' for 'fits.vml', or the first such name at which nothing is."""
    names = (f"{target.stem}-{number}{target.suffix}" for number in count(2))
    return next(name for name in names if not os.path.lexists(target.with_name(name)))
