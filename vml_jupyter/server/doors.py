"""Where the machines listen, asked of the hypervisor at most every few seconds.

    machine id -> Door(127.0.0.1:port, the machine's own token, the entry it shows)

A page of JupyterLab is a hundred requests; each of them asking libvirt would make a slow page.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from vml_jupyter.errors import MachineGone, NotFound
from vml_jupyter.model import Machine
from vml_jupyter.server.flows import Flows

_FRESH_S = 3.0


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """One machine's port on 127.0.0.1 and what opens it."""

    machine: str
    entry: str
    port: int
    token: str = ""

    def __repr__(self) -> str:  # the token belongs in no log
        return f"Door(machine={self.machine!r}, port={self.port})"


class Doors:
    """The doors of all machines."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._known: dict[str, tuple[float, Door]] = {}

    async def machine(self, machine_id: str) -> Machine:
        """Return the machine as it stands now.

        Raises:
            NotFound: There is none with this id.
        """
        for machine in await asyncio.to_thread(self._flows.machines):
            if machine.id == machine_id:
                return machine
        raise NotFound(
            f"There is no machine {machine_id}", "It may have been deleted; restore the entry again"
        )

    async def find(self, machine_id: str) -> Door:
        """Return where a machine listens.

        Raises:
            NotFound: There is none with this id.
            MachineGone: It is there, but does not run.
        """
        since, door = self._known.get(machine_id, (0.0, None))
        if door is not None and time.monotonic() - since < _FRESH_S:
            return door
        machine = await self.machine(machine_id)
        if not machine.port:
            raise MachineGone(f"The machine {machine_id} is {machine.state}", "Start it in the Logbook panel")
        token = await asyncio.to_thread(self._flows.machine_token, machine_id)
        door = Door(machine=machine.id, entry=machine.entry, port=machine.port, token=token)
        self._known[machine_id] = (time.monotonic(), door)
        return door
