"""Suspend a machine and resume it: kernels, variables, address and token are as they were, and its clock is right.

    suspend: memory -> disk          resume: disk -> memory -> clock -> Jupyter answers -> running

Resuming also brings back what a running machine has lost: its network, or the server of its working area.
"""

from __future__ import annotations

import time

from vml_jupyter.errors import Foreign, MachineGone, MachineNotReady
from vml_jupyter.flows.limits import admitted
from vml_jupyter.flows.machines import addressed, connected, serve_again
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient
from vml_jupyter.guest.activity import answers
from vml_jupyter.machine import Host, pausing
from vml_jupyter.model import Machine
from vml_jupyter.progress import SILENT, Progress

_AGENT_S = 30.0
_ANSWER_S = 1.0
_ADDRESS_S = 60.0
_EVERY_S = 0.05


def suspend(settings: Settings, machine_id: str, progress: Progress = SILENT) -> Machine:
    """Suspend a running machine to disk.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        MachineRefused: It is stopped, or has not come up yet.
        DiskFull: There is no room for its memory.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        progress.stage("suspend", f"Suspending {machine.id}")
        pausing.suspend(host, machine.id)
        return host.get(machine.id)


def resume(settings: Settings, machine_id: str, progress: Progress = SILENT) -> Machine:
    """Resume a suspended machine, or mend a running one, and wait until it answers.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        MachineRefused: It is stopped, or its memory cannot be brought back.
        MachineNotReady: It runs, but does not answer.
        LimitReached: Too many machines run, or too much memory is theirs.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        spec = host.spec(machine.id)
        progress.stage("resume", f"Resuming {machine.release.label}")
        with admitted(settings, host, machine.id, spec.shape):
            done = pausing.resume(
                host, machine.id, serve=lambda: serve_again(settings, spec), progress=progress
            )
        return addressed(host, awake(host, machine.id, progress) if done else host.get(machine.id))


def awake(host: Host, machine_id: str, progress: Progress) -> Machine:
    """Wait until a machine that was brought back answers, with the right time; from then on it is ``running``.

    Raises:
        MachineNotReady: It does not.
        Cancelled: Progress said so.
    """
    spec = host.spec(machine_id)
    progress.stage("ready", f"Waiting for {spec.release.label} and its Jupyter")
    set_clock(host, machine_id, progress)
    deadline, patience_s = time.monotonic() + _ADDRESS_S, 0.3
    # What comes in while QEMU fills a memory may get lost in passt: a request that is asked again does not wait for it.
    while spec.port and not answers(spec.port, spec.base_url, spec.token, patience_s):
        if time.monotonic() > deadline:
            raise MachineNotReady(
                f"the machine {machine_id} was brought back, but its Jupyter does not answer",
                "Stop it and start it again; its disk is as it was.",
                host.console_tail(machine_id),
            )
        progress.advance(0)  # a chance to cancel
        time.sleep(_EVERY_S)  # the guest tells nothing by itself
        patience_s = min(2.0, patience_s * 1.5)
    return host.mark_ready(machine_id)


def set_clock(host: Host, machine_id: str, progress: Progress) -> None:
    """Tell a machine what time it is: its clock stood still while its memory was on disk, or was written there."""
    agent = AgentClient(host.spec(machine_id).agent_socket)
    deadline = time.monotonic() + _AGENT_S
    while True:
        try:
            agent.set_clock(time.time(), _ANSWER_S)
            return
        except (MachineGone, Foreign) as error:
            if isinstance(error, Foreign) or time.monotonic() > deadline:
                progress.note(f"the machine's clock is behind: {error.message}")
                return
        progress.advance(0)  # a chance to cancel
        time.sleep(_EVERY_S)  # its agent tells nothing by itself
