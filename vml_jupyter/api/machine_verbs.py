"""The verbs of machines: machines, open, capture, start, suspend, resume, stop, delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.errors import MachineGone
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    import nbformat

    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.model import Entry, Machine

_BACK = {"suspended": "vml resume {} goes on with it.", "stopped": "vml start {} starts it."}


def machines(*, settings: Settings | None = None) -> list[Machine]:
    """Return the machines that VML made on this computer, newest first, each with its address while it runs.

    Raises:
        LibvirtUnreachable: The hypervisor does not answer.
    """
    from vml_jupyter.flows.machines import list_machines

    return list_machines(bound(settings))


def find_machine(machine: str, *, settings: Settings | None = None) -> Machine:
    """Return one machine as it stands.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """
    from vml_jupyter.flows import machines as flow

    return flow.find_machine(bound(settings), machine)


def open(machine: str, *, settings: Settings | None = None) -> Machine:
    """Return a machine whose notebook can be opened now: at its ``url``, which holds the machine's key.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineGone: It does not run; the hint says how to bring it back.
    """
    found = find_machine(machine, settings=settings)
    if not found.url:
        way_back = found.detail or _BACK.get(found.state, "Try again in a moment.").format(found.id)
        raise MachineGone(f"the machine {found.id} is {found.state}", way_back)
    return found


def capture(
    machine: str,
    *,
    notebook: str | None = None,
    title: str = "",
    note: str = "",
    tags: Sequence[str] = (),
    project: str | None = None,
    at_most_gib: int | None = None,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Entry:
    """Write what changed in a running machine, and what it runs, as a new entry that continues the restored one.

    The machine goes on. What is open in a browser counts as it was last saved.

    Args:
        machine: The machine.
        notebook: The notebook that the entry reopens, relative to the area; by default the restored entry's.
        title: One line; by default the restored entry's.
        note: Markdown.
        tags: Words to find the entry by.
        project: What it belongs to; by default what the restored entry belongs to.
        at_most_gib: How much may have changed; by default what the machine's disk holds.
        settings: Where the machines are.
        progress: Who listens.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineRefused: It does not run, or is being captured already.
        MachineGone: It does not answer.
        LimitReached: More changed than is allowed.
        LogbookError: The logbook cannot be opened or written.
    """
    from vml_jupyter.flows.machine_capture import capture_machine

    return capture_machine(
        bound(settings),
        machine,
        notebook=notebook,
        title=title,
        note=note,
        tags=tags,
        project=project,
        at_most_gib=at_most_gib,
        progress=progress,
    )


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


def execute(
    machine: str,
    notebook: str = "",
    *,
    timeout_s: float = 900.0,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> nbformat.NotebookNode:
    """Execute a notebook inside a machine, in a kernel of its own, and return it with its outputs; nothing is saved.

    Args:
        machine: The machine.
        notebook: Which one, relative to the working area; by default the machine's own.
        timeout_s: For all cells together.
        settings: Which hypervisor.
        progress: Hears which cell runs.

    Raises:
        NotFound, Ambiguous: There is no such machine, or no such notebook in it.
        MachineError: A cell failed, or the machine did not answer.
        ToolMissing: jupyter-kernel-client is not installed.
    """
    from vml_jupyter.flows import machines as flow

    known = bound(settings)
    name = notebook or flow.find_machine(known, machine).notebook
    return flow.execute(known, machine, name, timeout_s, progress)


def run(machine: str, code: str, *, timeout_s: float = 300.0, settings: Settings | None = None) -> str:
    """Run code in the kernel of a machine's notebook, the one that the browser shows, and return what it printed.

    Raises:
        NotFound, Ambiguous: There is no such machine.
        MachineError: The code failed, or the machine did not answer.
        Usage: The machine has no notebook.
        ToolMissing: jupyter-kernel-client is not installed.
    """
    from vml_jupyter.flows import machines as flow

    return flow.run(bound(settings), machine, code, timeout_s)
