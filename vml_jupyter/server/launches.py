"""Launchers: their download for the user, and what a launcher asks for with its own token.

    GET  vml/entries/<id>/launcher           the script, as a file; X-Vml-Sha256 is its digest        the user
             ?release=4.5.1.0&without_pin=sft.cern.ch    instead of what was recorded
    POST vml/api/entries/<id>/launcher       {"name", "script", "sha256", "expires"}                  the user
    GET  vml/api/launches                    machines on other computers, and how they stand          the user
    DELETE vml/api/launches/<machine>        forgets one, and its token                               the user
    POST vml/launches                        script's token -> a machine                              a launcher, once
    GET  vml/launches/<machine>/{context.iso,area.iso,image}     in parts (Range)                     its machine
    POST vml/launches/<machine>/status       {"stage", "accelerator"}                                 its machine
    ...  vml/launches/<machine>/captures     see launch_captures                                      its machine

A launcher sends its token as ``Authorization: Bearer``. It is no user of this server: none of the other paths knows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated, authorized
from tornado import web

from vml_jupyter.errors import NotAllowed
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.reached import reached

if TYPE_CHECKING:
    from vml_jupyter.flows.launch_records import Launch
    from vml_jupyter.flows.launches import Launcher

_PIECE = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?")
_ENDED = "removed"


class PairRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a launcher says when it pairs: the token it chose, and the digest of its own text."""

    token: str
    script: str


class LauncherRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be instead of what was recorded; empty for that."""

    release: str = ""
    without_pins: tuple[str, ...] = ()


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine elsewhere stands."""

    stage: str
    accelerator: str = ""


class _Making(VmlHandler):
    async def make(self, entry: str, asked: LauncherRequest) -> Launcher:
        return await self.beside(self._make, entry, asked)

    def _make(self, entry: str, asked: LauncherRequest) -> Launcher:
        server = reached(self)
        return self.vml.launches.launcher(
            entry,
            (server.address,),
            server.certificate,
            release=asked.release or None,
            without_pins=asked.without_pins,
        )


class LauncherFileHandler(_Making):
    @web.authenticated
    @authorized
    async def get(self, entry: str) -> None:
        release = self.get_query_argument("release", "")
        without = tuple(self.get_query_arguments("without_pin"))
        made = await self.make(entry, LauncherRequest(release=release, without_pins=without))
        self.set_header("Content-Type", "text/x-python; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="{launcher_name(made)}"')
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Vml-Sha256", made.sha256)
        await self.finish(made.text)


class LauncherHandler(_Making):
    @web.authenticated
    @authorized
    async def post(self, entry: str) -> None:
        made = await self.make(entry, self.body(LauncherRequest))
        self.reply(
            {"name": launcher_name(made), "script": made.text, "sha256": made.sha256, "expires": made.expires}
        )


class LaunchesHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        found = [launch_view(launch) for launch in await self.beside(self.vml.launches.all)]
        self.reply(
            {
                "launches": [each for each in found if each["state"] != _ENDED],
                "ended": [each for each in found if each["state"] == _ENDED],
            }
        )


class LaunchHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def delete(self, machine: str) -> None:
        await self.beside(self.vml.launches.forget, machine)
        self.vml.launch_changed(machine, "forgotten")
        self.reply({})


class OfLauncher(VmlHandler):
    """What a launcher may ask: with its own token, from a program and not from a page."""

    def check_xsrf_cookie(self) -> None:
        """No cookie counts here, so none can be abused."""

    def bearer(self) -> str:
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise NotAllowed("a launcher's token is missing", "This address is for launchers only.")
        return token.strip()

    async def launch(self, machine: str) -> Launch:
        return await self.beside(self.vml.launches.find, machine, self.bearer())


class PairHandler(OfLauncher):
    @allow_unauthenticated
    async def post(self) -> None:
        token = self.bearer()  # who asks comes before what is asked
        asked = self.body(PairRequest)
        paired = await self.beside(self.vml.launches.pair, token, asked.token, asked.script)
        self.vml.launch_changed(paired.machine, "paired")
        self.reply(paired)


class StatusHandler(OfLauncher):
    @allow_unauthenticated
    async def post(self, machine: str) -> None:
        launch = await self.launch(machine)
        asked = self.body(StatusRequest)
        await self.beside(self.vml.launches.report, launch, asked.stage, asked.accelerator)
        self.vml.launch_changed(launch.machine, asked.stage)
        self.reply({})


class PartHandler(OfLauncher):
    """Files of a machine elsewhere, in parts."""

    @allow_unauthenticated
    async def get(self, machine: str, what: str) -> None:
        launch = await self.launch(machine)
        size, read = await self.beside(self.vml.launches.part, launch, what)
        start, stop = self._wanted(size)
        self.set_status(HTTPStatus.PARTIAL_CONTENT)
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        self.set_header("Content-Length", str(stop - start))
        await self._send(read, start, stop)

    async def _send(self, read: Callable[[int, int], bytes], start: int, stop: int) -> None:
        for at in range(start, stop, _PIECE):
            self.write(await self.beside(read, at, min(_PIECE, stop - at)))
            await self.flush()
        await self.finish()

    def _wanted(self, size: int) -> tuple[int, int]:
        asked = _RANGE.fullmatch(self.request.headers.get("Range", "bytes=0-"))
        start = int(asked[1]) if asked else size
        stop = min(size, int(asked[2]) + 1) if asked and asked[2] else size
        if start >= stop:
            raise web.HTTPError(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        return start, stop


def launcher_name(made: Launcher) -> str:
    return f"vml-launch-{made.entry}.py"


def launch_view(launch: Launch) -> dict[str, Any]:
    """Return what the user sees of a machine elsewhere: no token of it."""
    return {
        "id": launch.machine,
        "entry": launch.entry,
        "title": launch.title,
        "notebook": launch.notebook,
        "label": launch.label,
        "state": launch.stage,
        "differences": launch.differences,
        "accelerator": launch.accelerator,
        "stages": [{"name": name, "time": moment} for name, moment in launch.stages],
        "made": launch.made,
        "seen": launch.seen,
    }
