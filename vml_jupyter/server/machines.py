"""Machines: list, open, start, stop, delete."""

from __future__ import annotations

import os
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.progress import Progress
from vml_jupyter.server.access import access_for, address
from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.views import machine_view


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
        self.reply({"url": url if trusted else "", "access": access, "trusted": trusted})


class PowerHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def post(self, machine: str, kind: str) -> None:
        call = {"start": self.vml.flows.start, "stop": self.vml.flows.stop}[kind]
        job = self.vml.desk.submit(kind, machine, partial(change, call, machine), subject=machine)
        self.reply({"job": job}, HTTPStatus.ACCEPTED)


def change(call: Any, machine: str, progress: Progress) -> dict[str, Any]:
    """Do the work of a start, stop or delete job."""
    call(machine, progress)
    return {"machine": machine}
