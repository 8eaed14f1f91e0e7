"""Write the entry of a machine that tells what changed in it: the same for one that runs here and for one elsewhere.

    machine's teller --what changed--> take over the restored entry's tree --> entry whose parent is that one
                     --what it runs--> environment; its git commit is read from the tree that was taken

The machine keeps the last one's id with its disk, so that after going back to a standard snapshot the next entry
continues what was captured before that. It is believed only where this computer remembers that entry, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from vml_jupyter.environment.elsewhere import VARIABLES, describe_told
from vml_jupyter.environment.git import checkout_told
from vml_jupyter.errors import Ambiguous, Foreign, LogbookDamaged, NotFound, Usage
from vml_jupyter.flows.reading import content_of
from vml_jupyter.guest.changes import ChangesClient
from vml_jupyter.logbook import Logbook, checked
from vml_jupyter.model import Checkout, Entry, Release, new_entry_id
from vml_jupyter.progress import Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.snapshot.layered import take_changes
from vml_jupyter.snapshot.told import Limits


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a machine was made of: ``tree`` is its working area's; ``captured`` are the entries captured from it."""

    machine: str
    entry: str
    title: str
    notebook: str
    tree: str
    release: Release
    captured: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a person says of an entry; what is empty is as in the entry before, and so is a project of None."""

    notebook: str | None = None
    title: str = ""
    note: str = ""
    tags: Sequence[str] = ()
    project: str | None = None


def write_told(
    logbook: Logbook,
    made: Made,
    changes: ChangesClient,
    said: Said,
    limits: Limits,
    spool: Path,
    progress: Progress,
) -> Entry:
    """Take what a machine tells, and write the entry; hold the repository's lock meanwhile.

    Args:
        logbook: The one that the machine's entry came from.
        made: What the machine was made of.
        changes: The talk with its teller.
        said: What a person says of the entry.
        limits: How much it may tell.
        spool: A folder in which a large file may lie for a moment.
        progress: Who listens.

    Raises:
        MachineGone: It does not answer any more.
        Foreign: What it tells makes no sense.
        LimitReached: More changed than is allowed.
        Usage: A text is too long, or the notebook is not there.
        LogbookError: The logbook cannot be written.
    """
    restored = _find(logbook, made.entry)
    base = _base(logbook, restored, made.tree)
    previous = _find(logbook, changes.mark) if changes.mark in made.captured else None
    reopened = said.notebook or (restored.notebook if restored else made.notebook)
    changes.look_around(reopened, VARIABLES)
    progress.stage("take", "Writing what changed into the logbook")
    taken = take_changes(
        logbook.repository,
        base,
        changes,
        progress,
        known=logbook.area_tree(previous) if previous else None,
        device=_device(made.machine),
        before=(restored.files, restored.bytes) if restored and not restored.writer else None,
        limits=limits,
        spool=spool,
    )
    for name in taken.unreadable:
        progress.note(f"could not be read, whole or in part: {name}")
    progress.stage("environment", "Asking the machine what it runs")
    checkout, notes = git_of(logbook.repository, taken.tree, restored)
    environment = describe_told(changes.surroundings(), made.release, checkout, notes)
    for told in environment.notes:
        progress.note(told)
    progress.stage("entry", "Writing the entry")
    parent = previous or restored
    draft = Entry(
        id=new_entry_id(),
        time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        title=said.title.strip() or (parent.title if parent else made.title),
        note=said.note,
        notebook=_present(logbook.repository, taken.tree, reopened, required=said.notebook is not None),
        area=restored.area if restored else "",
        machine=made.machine,
        project=said.project if said.project is not None else parent.project if parent else "",
        tags=tuple(dict.fromkeys(said.tags)),
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
    return logbook.add(draft, taken.tree, taken.folder)


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


def _device(machine: str) -> int:
    """Return a device number as no disk has one: two files with the same inode there are one file with two names."""
    return 1 << 62 | int.from_bytes(hashlib.sha256(machine.encode()).digest()[:7], "big")
