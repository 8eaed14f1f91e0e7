"""Restore the files of an entry to a folder of this server, and empty the bin."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from jupyter_server.services.contents.fileio import FileManagerMixin
from tornado import web

from vml_jupyter.errors import BadArea, Usage, WouldOverwrite
from vml_jupyter.progress import Progress
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.views import entry_view

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension


class RestoreFilesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``to`` is a path of the Contents API; ``keep`` agrees that a folder there is captured and moved aside."""

    to: str
    keep: bool = False


class EmptyBinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The entries that the user has seen and agreed to lose, by their ids."""

    entries: tuple[str, ...]


class RestoreFilesHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, entry: str) -> None:
        """Reply with a job; with 409 and a free name where something is in the way and was not agreed to move."""
        from vml_jupyter.flows.beside import free_name, is_free

        asked = self.body(RestoreFilesRequest)
        target = target_at(self.contents_manager, asked.to)
        if not asked.keep and not await self.beside(is_free, target):
            other = free_name(target).name
            raise WouldOverwrite(f"{asked.to!r} holds something already", f"{other!r} is a free name")
        work = partial(restore_files, self.vml, entry, target, asked)
        job = self.vml.desk.submit("files", entry, work, subject=entry)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class EmptyBinHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self) -> None:
        asked = self.body(EmptyBinRequest)
        if not asked.entries:
            raise Usage("no entry was named", "Reload the page; the bin may be empty already")
        removed = await self.beside(self.vml.shelf.empty_bin, asked.entries)
        for entry in removed:
            self.vml.tell_entry("removed", entry.id)
        self.reply({"entries": [entry_view(entry) for entry in removed]})


def restore_files(
    vml: VmlExtension, entry: str, target: Path, asked: RestoreFilesRequest, progress: Progress
) -> dict[str, Any]:
    """Do the work of the job."""
    done = vml.shelf.restore_files(entry, target, keep=asked.keep, progress=progress)
    if done.captured is not None:
        vml.trusted.add(done.captured.id)
    return {
        "path": asked.to.strip("/"),
        "files": done.files,
        "bytes": done.bytes,
        "kept": done.kept.name if done.kept else "",
        "captured": done.captured.id if done.captured else "",
    }


def target_at(contents_manager: Any, path: str) -> Path:
    """Return the place on disk of a Contents path at which nothing need be yet.

    Raises:
        BadArea: The files are not on disk, the path leaves the root or is the root, or its parent is no folder.
    """
    root = getattr(contents_manager, "root_dir", "")
    if not isinstance(contents_manager, FileManagerMixin) or not root:
        raise BadArea(
            "This Jupyter server keeps its files elsewhere than in a folder", "Use `vml restore --to`"
        )
    parts = PurePosixPath(path.strip("/")).parts
    if not parts or ".." in parts or "\0" in path or any(part.startswith(".") for part in parts):
        raise BadArea(f"nothing can be written at {path!r}", "Name a place inside the file browser's root")
    target = Path(root).expanduser().joinpath(*parts)
    if not target.parent.is_dir():
        raise BadArea(
            f"There is no folder {str(PurePosixPath(*parts[:-1]))!r} on this server", "Make it first"
        )
    return target
