"""Standard snapshots of a machine: take, list, revert, delete; see ``machine.standard``.

A machine's clock is set after each pause: while its memory is written, and while it was that of a snapshot, it stood.
"""

from __future__ import annotations

from vml_jupyter.flows.life import awake, set_clock
from vml_jupyter.flows.limits import admitted
from vml_jupyter.flows.machines import addressed, connected, serve_again
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import standard
from vml_jupyter.model import Machine, StandardSnapshot
from vml_jupyter.progress import SILENT, Progress


def take(
    settings: Settings, machine_id: str, name: str = "", progress: Progress = SILENT
) -> StandardSnapshot:
    """Take a standard snapshot of a running machine.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        Usage, WouldOverwrite: The name is none, or taken.
        MachineRefused: The machine does not run, or has a snapshot of another kind.
        DiskFull: There is no room for its memory.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        progress.stage("take", f"Taking a standard snapshot of {machine.id}")
        taken = standard.take(host, machine.id, name)
        set_clock(host, machine.id, progress)
        return taken


def listing(settings: Settings, machine_id: str) -> list[StandardSnapshot]:
    """Return a machine's standard snapshots, parents before children.

    Raises:
        NotFound: There is no such machine.
    """
    with connected(settings) as host:
        return standard.listing(host, host.get(machine_id).id)


def revert(settings: Settings, machine_id: str, name: str, progress: Progress = SILENT) -> Machine:
    """Take a machine back to a standard snapshot, and wait until it answers. What it is now is lost.

    Raises:
        NotFound, MachineGone: There is no such machine or snapshot, or none any more.
        LimitReached: It does not run now, and one more may not.
        MachineRefused, MachineNotReady: It cannot be brought back, or does not answer.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        spec = host.spec(machine.id)
        progress.stage("revert", f"Reverting {machine.id} to {name}")
        with admitted(settings, host, machine.id, spec.shape):
            standard.revert(
                host, machine.id, name, serve=lambda: serve_again(settings, spec), progress=progress
            )
        return addressed(host, awake(host, machine.id, progress))


def delete(settings: Settings, machine_id: str, name: str, progress: Progress = SILENT) -> None:
    """Remove a standard snapshot; the machine, and the snapshots that grew out of it, stay.

    Raises:
        NotFound, MachineGone: There is no such machine or snapshot, or none any more.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        progress.stage("delete", f"Removing the standard snapshot {name}")
        standard.delete(host, machine.id, name)
