"""Capture from a machine: ask what changed in it, describe what it runs, take the changes, write the entry.

    machine's teller --what changed--> take over the restored entry's tree --> entry whose parent is that one
                     --what it runs--> environment; its git commit is read from the tree that was taken

<machine folder>/captured.json     the entries that were captured from it, oldest first
<machine folder>/capturing         locked while one is being captured

The machine keeps the last one's id with its disk, so that after going back to a standard snapshot the next entry
continues what was captured before that. It is believed only where this computer remembers that entry, too.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

import msgspec

from vml_jupyter.environment.elsewhere import VARIABLES, describe_told
from vml_jupyter.environment.git import checkout_told
from vml_jupyter.errors import Ambiguous, Foreign, LogbookDamaged, MachineRefused, NotFound, Usage
from vml_jupyter.flows import areas
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.machines import connected
from vml_jupyter.flows.reading import content_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient
from vml_jupyter.guest.changes import changes_of
from vml_jupyter.logbook import Logbook, checked
from vml_jupyter.machine import MachineSpec
from vml_jupyter.model import Checkout, Entry, new_entry_id
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.replacing import replace_file
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.snapshot.layered import take_changes
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
    source = areas.source_of(spec.folder)
    limits = Limits(size_bytes=(at_most_gib or spec.shape.scratch_gib) * _GIB)
    with (
        _alone(spec),
        opened(settings.using(logbook=source.logbook)) as logbook,
        logbook.repository.lock(),
    ):
        progress.stage("survey", "Asking the machine what changed")
        restored = _find(logbook, spec.entry)
        base = _base(logbook, restored, source.tree)
        agent = AgentClient(spec.agent_socket)
        with changes_of(spec.changes_socket, agent.tell, limits, progress) as changes:
            captured = _captured(spec)
            previous = _find(logbook, changes.mark) if changes.mark in captured else None
            reopened = notebook or (restored.notebook if restored else spec.notebook)
            changes.look_around(reopened, VARIABLES)
            progress.stage("take", "Writing what changed into the logbook")
            taken = take_changes(
                logbook.repository,
                base,
                changes,
                progress,
                known=logbook.area_tree(previous) if previous else None,
                device=_device(spec),
                before=(restored.files, restored.bytes) if restored and not restored.writer else None,
                limits=limits,
                spool=spec.folder,
            )
            for name in taken.unreadable:
                progress.note(f"could not be read, whole or in part: {name}")
            progress.stage("environment", "Asking the machine what it runs")
            checkout, notes = git_of(logbook.repository, taken.tree, restored)
            environment = describe_told(changes.surroundings(), spec.release, checkout, notes)
            for said in environment.notes:
                progress.note(said)
            progress.stage("entry", "Writing the entry")
            parent = previous or restored
            draft = Entry(
                id=new_entry_id(),
                time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                title=title.strip() or (parent.title if parent else spec.title),
                note=note,
                notebook=_present(logbook.repository, taken.tree, reopened, required=notebook is not None),
                area=restored.area if restored else "",
                machine=spec.id,
                project=project if project is not None else parent.project if parent else "",
                tags=tuple(dict.fromkeys(tags)),
                environment=environment,
                parent=parent.id if parent else "",
                files=taken.files,
                bytes=taken.bytes,
                new_bytes=taken.new_bytes,
                unreadable=len(taken.unreadable),
                changing=len(taken.changing),
                changing_files=taken.first_changing,
                cross_mounts=restored.cross_mounts if restored else False,
            )
            checked(draft)
            entry = logbook.add(draft, taken.tree, taken.folder)
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


def _find(logbook: Logbook, entry_id: str) -> Entry | None:
    """Return an entry wherever it is; None where it was removed for good."""
    for find in (logbook.find, logbook.find_forgotten):
        with suppress(NotFound, Ambiguous):
            return find(entry_id)
    return None


def _base(logbook: Logbook, restored: Entry | None, tree: str) -> Node:
    """Return the node of the area that the machine was made of, which must still be there with all that is in it."""
    if restored is not None:
        node = logbook.area_node(restored)
        if node.subtree == tree:
            return node
    _require_whole(logbook.repository, tree)  # no entry keeps it from being pruned
    return Node(name="area", type="dir", mode=from_stat(0o040755), subtree=tree)


def _require_whole(repository: Repository, tree: str) -> None:
    waiting, seen = [tree], {tree}
    while waiting:
        for node in repository.tree(waiting.pop()):
            if not all(map(repository.has_blob, node.content or ())):
                raise LogbookDamaged(
                    "the entry that the machine was made of was removed for good, and its files with it",
                    "Copy what you need out of the machine by its own Jupyter.",
                )
            if node.subtree and node.subtree not in seen:
                seen.add(node.subtree)
                waiting.append(node.subtree)


def _present(repository: Repository, tree: str, notebook: str, *, required: bool) -> str:
    """Return the notebook where the tree has it, else nothing."""
    at: str | None = tree
    for part in PurePosixPath(notebook).parts:
        node = (
            next((each for each in repository.tree(at) if each.name_bytes == part.encode()), None)
            if at
            else None
        )
        if node is None:
            if required:
                raise Usage(
                    f"there is no {notebook} in the machine's working area", "Name it relative to the area."
                )
            return ""
        at = node.subtree
    return notebook


def git_of(repository: Repository, tree: str, restored: Entry | None) -> tuple[Checkout | None, list[str]]:
    """Return the git checkout that a captured tree is, and what is to be said where it is none any more.

    Only what lies in the tree is read, by name and never by a path of this computer, and none of it is run.
    """

    def read(path: str, limit_bytes: int) -> str:
        try:
            return content_of(repository, tree, path, limit_bytes).raw.decode("utf-8", "replace")
        except (NotFound, LogbookDamaged, Foreign):
            return ""

    checkout = checkout_told(restored.area if restored else "", read)
    before = restored.environment.git if restored else None
    if checkout or before is None:
        return checkout, []
    commit = f"commit {before.commit[:12]}" if before.commit else "no commit yet"
    return None, [f"the restored entry was of a git checkout ({commit}), whose .git is not in the machine"]


def _captured(spec: MachineSpec) -> list[str]:
    try:
        return parse(_history(spec).read_bytes(), list[str])
    except (OSError, msgspec.DecodeError):
        return []


def _remember(spec: MachineSpec, entries: list[str]) -> None:
    replace_file(_history(spec), [msgspec.json.encode(entries)])


def _history(spec: MachineSpec) -> Path:
    return spec.folder / "captured.json"


def _device(spec: MachineSpec) -> int:
    """Return a device number as no disk has one: two files with the same inode there are one file with two names."""
    return 1 << 62 | int.from_bytes(hashlib.sha256(spec.id.encode()).digest()[:7], "big")
