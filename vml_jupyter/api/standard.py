"""The verbs of standard snapshots: a machine's disk and memory of earlier moments, kept by the hypervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.model import Machine, StandardSnapshot


def standard_take(
    machine: str, name: str = "", *, settings: Settings | None = None, progress: Progress = SILENT
) -> StandardSnapshot:
    """Take a standard snapshot of a running machine, which stands still for about a second.

    Args:
        machine: The machine.
        name: What to call it; the time by default.
        settings: Which hypervisor.
        progress: Who listens.

    Raises:
        NotFound, MachineGone: There is no such machine, or none any more.
        Usage, WouldOverwrite: The name is none, or taken.
        MachineRefused: The machine does not run, or has a snapshot of another kind.
        DiskFull: There is no room for its memory.
    """
    from vml_jupyter.flows import standard as flow

    return flow.take(bound(settings), machine, name, progress)


def standard_list(machine: str, *, settings: Settings | None = None) -> list[StandardSnapshot]:
    """Return a machine's standard snapshots.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """
    from vml_jupyter.flows import standard as flow

    return flow.listing(bound(settings), machine)


def standard_revert(
    machine: str, name: str, *, settings: Settings | None = None, progress: Progress = SILENT
) -> Machine:
    """Take a machine back to a standard snapshot; what it is now is lost, unless another one holds it.

    Raises:
        NotFound, Ambiguous: There is no such machine or snapshot.
        MachineError: It did not come up again.
    """
    from vml_jupyter.flows import standard as flow

    return flow.revert(bound(settings), machine, name, progress)


def standard_delete(
    machine: str, name: str, *, settings: Settings | None = None, progress: Progress = SILENT
) -> None:
    """Remove a standard snapshot; the machine and the ones that grew out of it stay.

    Raises:
        NotFound, Ambiguous: There is no such machine or snapshot.
    """
    from vml_jupyter.flows import standard as flow

    flow.delete(bound(settings), machine, name, progress)
