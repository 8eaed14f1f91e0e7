"""Listen to machines whose user wishes for a snapshot in the machine's own page, for as long as this server runs.

    every ten seconds: which machines run?  ->  one question each that waits: GET vml/wish of the machine's Jupyter
    a wish  ->  a job "capture", which the panel shows like any other  ->  PUT vml/wish/ID: done, refused or failed

A machine can only wish, and only for itself: what is taken is its own working area, into the logbook it came from. One
whose entry the user neither made here nor trusts is refused. Of several servers of one user the first to ask is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse

from vml_jupyter.errors import VmlError
from vml_jupyter.model import Machine
from vml_jupyter.parsing import parse
from vml_jupyter.server.machines import CaptureRequest, capture

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension

EVERY_S = 10.0
_WAIT_S = 25
_ANSWER_S = 60.0
_REST_S = 2.0
_LONGEST_REST_S = 900.0
_SELDOM_S = 20.0
_HURRY_S = 1.0
_JOB_S = 0.2
_LIMIT = 1 << 16
_REFUSED = "This machine is of an entry that was not made here. Your own JupyterLab takes it, in the list of machines."


class Wish(msgspec.Struct, frozen=True):
    """What a machine says: foreign, so bounded."""

    id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    title: Annotated[str, Meta(max_length=1000)] = ""


async def listen(vml: VmlExtension, log: logging.Logger, every_s: float = EVERY_S) -> None:
    """Attend every machine that runs, until cancelled."""
    attended: dict[str, asyncio.Task[None]] = {}
    try:
        while True:
            await asyncio.sleep(every_s)
            running = await _running(vml, log)
            for name in [name for name, task in attended.items() if task.done() or name not in running]:
                attended.pop(name).cancel()
            for name in running.keys() - attended.keys():
                attended[name] = asyncio.create_task(attend(vml, running[name], log))
    finally:
        for task in attended.values():
            task.cancel()


async def _running(vml: VmlExtension, log: logging.Logger) -> dict[str, Machine]:
    try:
        machines = await asyncio.to_thread(vml.flows.machines)
    except VmlError as error:
        log.debug("machines were not looked at: %s", error.message)
        return {}
    return {machine.id: machine for machine in machines if machine.state == "running"}


async def attend(vml: VmlExtension, machine: Machine, log: logging.Logger) -> None:
    """Grant what one machine wishes for, until it does not answer any more."""
    try:
        token = await asyncio.to_thread(vml.flows.machine_token, machine.id)
        rest_s = _REST_S
        while True:
            asked = time.monotonic()
            answer = await _ask(machine, token, f"?wait={_WAIT_S}&no_track_activity=1")
            waited_s = time.monotonic() - asked
            if answer.code == HTTPStatus.OK:
                await _grant(vml, machine, token, parse(answer.body, Wish))
                # A machine that wishes without end fills no logbook.
                rest_s = _REST_S if waited_s > _SELDOM_S else min(2 * rest_s, _LONGEST_REST_S)
                await _rest(rest_s)
            else:
                # One that does not wait, though it was told to, is not asked in a loop.
                await _rest(max(0.0, _HURRY_S - waited_s))
    except (HTTPClientError, OSError, VmlError, msgspec.DecodeError, UnicodeError) as error:
        log.debug("the machine %s is not attended: %s", machine.id, type(error).__name__)


async def _rest(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _grant(vml: VmlExtension, machine: Machine, token: str, wish: Wish) -> None:
    if machine.entry not in vml.trusted:
        await _tell(machine, token, wish, "refused", _REFUSED)
        return
    work = partial(capture, vml, machine.id, CaptureRequest(title=wish.title))
    job = vml.desk.submit("capture", wish.title or machine.title, work, subject=machine.id)
    await _tell(machine, token, wish, "taking", "")
    while job.state in ("queued", "running"):
        await asyncio.sleep(_JOB_S)
        job = vml.desk.get(job.id)
    if job.state == "done" and job.result:
        await _tell(machine, token, wish, "done", f"“{job.result['title']}” is in the logbook")
    else:
        why = job.error.message if job.error else "it was cancelled"
        await _tell(machine, token, wish, "failed", why)


async def _tell(machine: Machine, token: str, wish: Wish, state: str, message: str) -> None:
    await _ask(machine, token, f"/{wish.id}", "PUT", json.dumps({"state": state, "message": message}))


async def _ask(
    machine: Machine, token: str, path: str, method: str = "GET", body: str | None = None
) -> HTTPResponse:
    """Ask a machine's Jupyter; it is a guest, so neither redirects nor size are left to it."""
    client = AsyncHTTPClient(force_instance=True, max_body_size=_LIMIT, max_buffer_size=_LIMIT)
    try:
        return await client.fetch(
            f"http://127.0.0.1:{machine.port}{machine.base_url.rstrip('/')}/vml/wish{path}",
            method=method,
            body=body,
            headers={"Authorization": f"token {token}"},
            follow_redirects=False,
            request_timeout=_ANSWER_S,
        )
    finally:
        client.close()
