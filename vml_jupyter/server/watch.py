"""Suspend machines that nobody uses, for as long as this Jupyter server runs: nothing of VML stays on a host to do it.

    every minute: which are idle?  ->  a job "suspend" for each, which the panel shows like any other

Of several servers of one user each watches; who comes second finds the machine suspended.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, Protocol

from vml_jupyter.errors import VmlError
from vml_jupyter.jobs import JobDesk
from vml_jupyter.progress import Progress
from vml_jupyter.server.flows import Flows

EVERY_S = 60.0


class Watched(Protocol):
    """What a watch needs of the extension; both are made at their first use, which may be never."""

    @property
    def flows(self) -> Flows: ...

    @property
    def desk(self) -> JobDesk: ...


async def watch(vml: Watched, log: logging.Logger, every_s: float = EVERY_S) -> None:
    """Look again and again, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        await look(vml, log)


async def look(vml: Watched, log: logging.Logger) -> None:
    """Look once, and begin to suspend what is idle."""
    try:
        flows = vml.flows
        idle = await asyncio.to_thread(flows.idle)
    except VmlError as error:
        log.debug("machines were not looked at: %s", error.message)
        return
    for machine in idle:
        log.info("machine %s is not used and gets suspended", machine)
        vml.desk.submit("suspend", machine, partial(_suspend, flows, machine), subject=machine)


def _suspend(flows: Flows, machine: str, progress: Progress) -> dict[str, Any]:
    """Do the work of the job; it may have waited for others, so it looks once more."""
    return {"machine": machine, "suspended": flows.suspend_idle(machine, progress)}
