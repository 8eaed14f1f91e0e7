"""The verbs of machines: machines, open, start, suspend, resume, stop, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.errors import MachineGone
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.model import Machine

_BACK = {"suspended": "vml resume {} goes on with it.", "stopped": "vml start {} starts it."}


def machines(*, settings: Settings | None = None) -> list[Machine]:
    """Return the machines that VML made on this computer, newest first, each with its address while it runs.

    Raises:
        LibvirtUnreachable: The hypervisor does not answer.
    """
    from vml_jupyter.flows.machines import list_machines

    return list_machines(bound(settings))


def open(machine: str, *, settings: Settings | None = None) -> Machine:
    """Return a machine whose notebook can be opened now: at its ``url``, which holds the machine's key.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineGone: It does not run; the hint says how to bring it back.
    """
    from vml_jupyter.flows.machines import find_machine

    found = find_machine(bound(settings), machine)
    if not found.url:
        way_back = found.detail or _BACK.get(found.state, "Try again in a moment.").format(found.id)
        raise MachineGone(f"the machine {found.id} is {found.state}", way_back)
    return found


def start(machine: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Machine:
    """Start a stopped machine again, with all that was written in it, and wait until it answers.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineRefused: It runs already.
        MachineNotReady: It did not answer in time; carries its console's end.
        LimitReached: Too many machines run, or too much memory is theirs.
    """
    from vml_jupyter.flows import machines as flow

    return flow.start(bound(settings), machine, progress)


def suspend(machine: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Machine:
    """Write a running machine's memory to the disk and end it; ``resume`` goes on where it was.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineRefused: It does not run.
        DiskFull: There is no room for its memory; it runs on.
    """
    from vml_jupyter.flows import life as flow

    return flow.suspend(bound(settings), machine, progress)


def resume(machine: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Machine:
    """Go on with a suspended machine, or mend one that is broken though it runs.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineRefused: It is neither.
        MachineNotReady: It did not answer in time; carries its console's end.
    """
    from vml_jupyter.flows import life as flow

    return flow.resume(bound(settings), machine, progress)


def stop(machine: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Machine:
    """Shut a machine down; its disk is kept, and ``start`` starts it again.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """
    from vml_jupyter.flows import machines as flow

    return flow.stop(bound(settings), machine, progress)


def delete(machine: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Machine:
    """Remove a machine and all that belongs to it, its standard snapshots too; entry and image stay.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """
    from vml_jupyter.flows import machines as flow

    return flow.delete(bound(settings), machine, progress)
