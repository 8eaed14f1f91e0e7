"""Machines: list, open, capture, start, stop, suspend, resume, delete; standard snapshots; what this host can run."""

from __future__ import annotations

import os
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.progress import Progress
from vml_jupyter.server.access import access_for, address
from vml_jupyter.server.flows import Flows
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.views import captured_view, machine_view

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension

CONSOLE_LINES = 400


class OpenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``trust``: the user was asked, and lets this entry's pages share the server's origin."""

    trust: bool = False


class MachinesHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        machines = await self.beside(self.vml.flows.machines)
        self.reply({"machines": [machine_view(machine) for machine in machines]})


class MachineHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def delete(self, machine: str) -> None:
        job = self.vml.desk.submit(
            "delete", machine, partial(change, self.vml.flows.delete, machine), subject=machine
        )
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class ConsoleHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, machine: str) -> None:
        """Reply with the end of what the machine wrote to its serial console, as plain text."""
        self.reply({"text": await self.beside(self.vml.flows.console, machine, CONSOLE_LINES)})


class OpenHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, machine_id: str) -> None:
        asked = self.body(OpenRequest)
        machine = await self.vml.doors.machine(machine_id)
        access = access_for(self.request, self.vml.machine_access, os.environ)
        url = address(machine, access, self.vml.machine_address)
        own_origin = access == "direct" or bool(self.vml.machine_address)
        if asked.trust and not own_origin:
            self.vml.trusted.add(machine.entry)
        trusted = own_origin or machine.entry in self.vml.trusted
        # A machine lets pages on this computer's own names frame it; see ``let_frame`` in the guest's agent.
        frame = access == "direct" and not self.vml.machine_address and machine.base_url == "/"
        self.reply({"url": url if trusted else "", "access": access, "trusted": trusted, "frame": frame})


class PowerHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, machine: str, kind: str) -> None:
        flows = self.vml.flows
        calls = {"start": flows.start, "stop": flows.stop, "suspend": flows.suspend, "resume": flows.resume}
        call = calls[kind]
        job = self.vml.desk.submit(kind, machine, partial(change, call, machine), subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class CaptureRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Empty fields mean: as in the entry that was restored."""

    title: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()


class CaptureHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, machine: str) -> None:
        asked = self.body(CaptureRequest)
        work = partial(capture, self.vml, machine, asked)
        job = self.vml.desk.submit("capture", asked.title or machine, work, subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class TakeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``name``: what the snapshot is called; the time when empty."""

    name: str = ""


class StandardHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, machine: str) -> None:
        self.reply({"snapshots": await self.beside(self.vml.flows.standard, machine)})

    @web.authenticated
    @authorized
    async def post(self, machine: str) -> None:
        work = partial(take, self.vml.flows, machine, self.body(TakeRequest).name)
        job = self.vml.desk.submit("take", machine, work, subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class StandardSnapshotHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def delete(self, machine: str, name: str) -> None:
        work = partial(change_snapshot, self.vml.flows.delete_standard, machine, name)
        job = self.vml.desk.submit("delete-standard", name, work, subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class RevertHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, machine: str, name: str) -> None:
        work = partial(change_snapshot, self.vml.flows.revert, machine, name)
        job = self.vml.desk.submit("revert", name, work, subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


class DoctorHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        again = self.get_query_argument("again", "") == "1"
        self.reply(await self.beside(self.vml.flows.doctor, again))


def capture(vml: VmlExtension, machine: str, asked: CaptureRequest, progress: Progress) -> dict[str, Any]:
    """Do the work of a capture job; what comes out of a machine is trusted as far as what went into it."""
    entry = vml.flows.capture_machine(
        machine, title=asked.title, note=asked.note, tags=asked.tags, progress=progress
    )
    if entry.parent in vml.trusted:
        vml.trusted.add(entry.id)
    return captured_view(entry)


def take(flows: Flows, machine: str, name: str, progress: Progress) -> dict[str, Any]:
    """Do the work of a take job."""
    return {"machine": machine, "snapshot": flows.take_standard(machine, name, progress).name}


def change(call: Any, machine: str, progress: Progress) -> dict[str, Any]:
    """Do the work of a job that changes a machine."""
    call(machine, progress)
    return {"machine": machine}


def change_snapshot(call: Any, machine: str, name: str, progress: Progress) -> dict[str, Any]:
    """Do the work of a job that changes a standard snapshot, or goes back to one."""
    call(machine, name, progress)
    return {"machine": machine, "snapshot": name}
