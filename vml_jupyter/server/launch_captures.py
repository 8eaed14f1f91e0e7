"""Capture from a machine elsewhere: what its launcher asks for, with the machine's own token.

    POST   vml/launches/<machine>/captures            {"wish", "title", "note"}  ->  {"capture", "nonce"} or {"entry"}
    POST   vml/launches/<machine>/captures/<capture>?at=N&heard=M     bytes that the machine's teller said, from N on
               ->  {"taken", "said": base64 of what it is to be told from M on, "state", "stage", "entry", ...}
    DELETE vml/launches/<machine>/captures/<capture>

The capture is a job like any other, so the panel shows it. ``wish`` is a random word of the launcher's own: a capture
that is asked for again, because the answer was lost, is not made twice.
"""

from __future__ import annotations

import base64
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from jupyter_server.auth.decorator import allow_unauthenticated
from msgspec import Meta
from tornado import web

from vml_jupyter.errors import Usage, VmlError
from vml_jupyter.jobs import Job
from vml_jupyter.progress import Progress
from vml_jupyter.server.launches import OfLauncher
from vml_jupyter.server.views import captured_view

if TYPE_CHECKING:
    from vml_jupyter.flows.launch_capture import Talk
    from vml_jupyter.flows.launch_records import Launch
    from vml_jupyter.flows.told_entry import Said
    from vml_jupyter.server.app import VmlExtension

_PIECE = 1 << 20
_FORMER_S = 10.0
_POLL_S = 0.05


class WishRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a launcher wishes for; what is empty is as in the entry that was launched."""

    wish: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    title: Annotated[str, Meta(max_length=1000)] = ""
    note: Annotated[str, Meta(max_length=100_000)] = ""


class CapturesHandler(OfLauncher):
    @allow_unauthenticated
    async def post(self, machine: str) -> None:
        launch = await self.launch(machine)
        asked = self.body(WishRequest)
        self.reply(await self.beside(begin, self.vml, launch, asked))


class CaptureTalkHandler(OfLauncher):
    @allow_unauthenticated
    async def post(self, machine: str, capture: str) -> None:
        launch = await self.launch(machine)
        if len(self.request.body) > _PIECE:
            raise Usage(f"more than {_PIECE} bytes at once", "Send them one after the other.")
        at, heard = (self._number(name) for name in ("at", "heard"))
        talk = self.vml.launches.talk_of(launch, capture)
        job = self.vml.desk.get(capture)  # before: what it told last is then among what is carried
        taken, said = await self.beside(talk.exchange, at, self.request.body, heard)
        if (
            self.vml.launches.ending
        ):  # its jobs are cancelled, but nobody wanted that: the next server is waited for
            raise web.HTTPError(HTTPStatus.SERVICE_UNAVAILABLE)
        self.reply({"taken": taken, "said": base64.b64encode(said).decode(), **_standing(job)})

    @allow_unauthenticated
    async def delete(self, machine: str, capture: str) -> None:
        launch = await self.launch(machine)
        self.vml.launches.talk_of(launch, capture)
        self.vml.desk.cancel(capture)
        self.reply({})

    def _number(self, name: str) -> int:
        text = self.get_query_argument(name, "")
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise Usage(f"{name!r} is no number", "Get a new launcher.")
        return int(text)


def begin(vml: VmlExtension, launch: Launch, asked: WishRequest) -> dict[str, str]:
    """Begin a capture, or tell what came of the same wish; one that is under way for the same machine ends."""
    from vml_jupyter.flows.told_entry import Said

    former = vml.launches.former(launch)
    if former:
        _end(vml, former)
    entry = vml.launches.captured(launch, asked.wish)
    if entry:
        return {"entry": entry}
    talk = vml.launches.new_talk(asked.wish)
    said = Said(title=asked.title, note=asked.note)
    work = partial(capture, vml, launch, talk, said)
    job = vml.desk.submit("capture", asked.title or launch.title, work, subject=launch.machine)
    vml.launches.attend(launch, job.id, talk)
    return {"capture": job.id, "nonce": talk.nonce}


def capture(vml: VmlExtension, launch: Launch, talk: Talk, said: Said, progress: Progress) -> dict[str, Any]:
    """Do the work of a capture job; what comes from elsewhere is foreign as far as what was launched is."""
    entry = vml.launches.capture(launch, talk, said, progress)
    if vml.trusted.is_foreign(launch.entry):
        vml.trusted.add_foreign(entry.id)
    return captured_view(entry)


def _end(vml: VmlExtension, job: str) -> None:
    """Cancel a job, and wait for it: it may be about to write its entry."""
    deadline = time.monotonic() + _FORMER_S
    try:
        vml.desk.cancel(job)
        while vml.desk.get(job).active and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    except VmlError:
        return  # it is over, and was dismissed


def _standing(job: Job) -> dict[str, str]:
    """Return how a capture stands, for its launcher."""
    told = {"state": job.state, "stage": job.stages[-1].title if job.stages else ""}
    if job.result:
        told.update(entry=str(job.result["entry"]), title=str(job.result["title"]))
    if job.error:
        told.update(message=job.error.message, hint=job.error.hint)
    return told
