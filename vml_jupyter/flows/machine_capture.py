"""Capture from a machine of this computer: find it, keep others away, have it tell what changed (``told_entry``).

<machine folder>/captured.json     the entries that were captured from it, oldest first
<machine folder>/capturing         locked while one is being captured
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vml_jupyter.errors import MachineRefused, Usage
from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.machines import connected
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.told_entry import Made, Said, write_told
from vml_jupyter.guest import AgentClient
from vml_jupyter.guest.changes import changes_of
from vml_jupyter.machine import MachineSpec
from vml_jupyter.model import Entry
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.replacing import replace_file
from vml_jupyter.snapshot.told import Limits

_GIB = 1 << 30


def capture_machine(
    settings: Settings,
    machine_id: str,
    *,
    notebook: str | None = None,
    title: str = "",
    note: str = "",
    tags: Sequence[str] = (),
    project: str | None = None,
    at_most_gib: int | None = None,
    progress: Progress = SILENT,
) -> Entry:
    """Write the working area of a running machine, and what it runs in, into the logbook that it came from.

    The machine goes on meanwhile and after. What is open in a browser counts as it was last saved.

    Args:
        settings: Where the machines are.
        machine_id: The machine, or the beginning of its id.
        notebook: The notebook that the entry reopens; by default the restored entry's.
        title: One line; by default the restored entry's.
        note: Markdown.
        tags: Words to find the entry by.
        project: What it belongs to; by default what the restored entry belongs to.
        at_most_gib: How much may have changed; by default what the machine's disk holds.
        progress: Who listens.

    Raises:
        NotFound: There is no such machine.
        MachineRefused: It does not run, or is being captured.
        MachineGone: It does not answer.
        Foreign: What it tells makes no sense.
        LimitReached: More changed than is allowed.
        Usage: A text is too long, or the notebook is not there.
        LogbookError: The logbook cannot be opened or written.
    """
    if at_most_gib is not None and at_most_gib < 1:
        raise Usage("a machine cannot be captured in less than 1 GiB", "Give --at-most a positive number.")
    with connected(settings) as host:
        machine = host.get(machine_id)
        if machine.state != "running":
            raise MachineRefused(
                f"the machine {machine.id} is {machine.state}",
                "It must run to be captured: start or resume it first.",
            )
        spec = host.spec(machine.id)
    said = Said(notebook=notebook, title=title, note=note, tags=tags, project=project)
    source = areas.source_of(spec.folder)
    limits = Limits(size_bytes=(at_most_gib or spec.shape.scratch_gib) * _GIB)
    with (
        _alone(spec),
        opened(settings.using(logbook=source.logbook)) as logbook,
        logbook.repository.lock(),
    ):
        progress.stage("survey", "Asking the machine what changed")
        captured = _captured(spec)
        made = Made(
            machine=spec.id,
            entry=spec.entry,
            title=spec.title,
            notebook=spec.notebook,
            tree=source.tree,
            release=spec.release,
            captured=captured,
        )
        agent = AgentClient(spec.agent_socket)
        with changes_of(spec.changes_socket, agent.tell, limits, progress) as changes:
            entry = write_told(logbook, made, changes, said, limits, spec.folder, progress)
            _remember(spec, [*captured, entry.id])
            changes.keep_mark(entry.id)
    return entry


@contextmanager
def _alone(spec: MachineSpec) -> Iterator[None]:
    """Keep others from capturing the same machine meanwhile: its teller tells one at a time."""
    with (spec.folder / "capturing").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MachineRefused(
                f"the machine {spec.id} is being captured already", "Wait until that has ended."
            ) from None
        yield


def _captured(spec: MachineSpec) -> list[str]:
    try:
        return parse(_history(spec).read_bytes(), list[str])
    except (OSError, msgspec.DecodeError):
        return []


def _remember(spec: MachineSpec, entries: list[str]) -> None:
    replace_file(_history(spec), [msgspec.json.encode(entries)], lasts=True)


def _history(spec: MachineSpec) -> Path:
    return spec.folder / "captured.json"
