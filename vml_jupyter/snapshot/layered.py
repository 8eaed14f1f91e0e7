"""Take a snapshot of a machine's working area by what changed in it since it was made.

    tree of the restored entry + what the machine tells  --read what is new--> tree

Nothing that did not change is read, here or in the machine: neither files nor their folders. What was changed belongs
to the area's owner whoever made it in the machine, is no device, and has no set-id bits: a machine is not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.node import encode_tree
from vml_jupyter.snapshot.findings import Findings, printable
from vml_jupyter.snapshot.ignore import FILE_NAME, LARGEST
from vml_jupyter.snapshot.intake import Intake, Read
from vml_jupyter.snapshot.overlaid import Nodes, Overlaid, Overlay, Owner, keeps_time
from vml_jupyter.snapshot.take import Taken
from vml_jupyter.snapshot.told import Changes, Closed, Folder, Limits, Wish

_RULES = FILE_NAME.encode()
_ALL_RULES_BYTES = 16 << 20
_ATTEMPTS = 3
_WISHES = 500
_PIECES = 8_000


def take_changes(
    repository: Repository,
    base: Node,
    changes: Changes,
    progress: Progress = SILENT,
    *,
    known: str | None = None,
    device: int = 0,
    before: tuple[int, int] | None = None,
    limits: Limits | None = None,
    spool: Path,
) -> Taken:
    """Save the working area of a machine; hold the repository's lock around this and the snapshot that names it.

    Args:
        repository: Where it goes, and where ``base`` is.
        base: The node of the area that the machine was made of.
        changes: What the machine tells.
        progress: Told the bytes read, and what the user should know.
        known: The tree that was captured from this machine last.
        device: A number of the machine's own, that tells its hard links from others.
        before: How many files and bytes ``base`` has, where that is known.
        limits: How much the machine may tell.
        spool: A folder in which a large file may lie for a moment.

    Raises:
        Foreign: What the machine tells makes no sense.
        LimitReached: It tells more than is allowed.
        LogbookDamaged: What it was made of cannot be read.
        MachineGone: It does not answer any more.
        Cancelled: The user ended it.
    """
    limits = limits or Limits()
    findings = Findings()
    intake = Intake(repository, spool, limits.size_bytes)
    owner = Owner(base, device)
    told = changes.folders()
    rules = _own_rules(told, changes)
    whole = changes.how == "walk"
    overlay = Overlay(repository, told, whole=whole, owner=owner, rules=rules, findings=findings)
    folders = overlay.build(changes.top, base, known)
    new_bytes = _read_all(overlay, folders, changes, intake, findings, progress)
    counts = before or count(repository, base.subtree)
    taken = _Finish(repository, overlay, counts).run(folders)
    repository.flush()
    findings.tell(progress)
    tree, node, files, size, tree_bytes = taken
    return Taken(tree, node, files, size, new_bytes + tree_bytes, findings.unreadable, findings.changing)


def count(repository: Repository, tree: str | None) -> tuple[int, int]:
    """Return how many files are in a tree and below, and how many bytes they have; trees alone are read."""
    files = size = 0
    waiting = [tree] if tree else []
    while waiting:
        for node in repository.tree(waiting.pop()):
            if node.type == "file":
                files += 1
                size += node.size
            elif node.subtree:
                waiting.append(node.subtree)
    return files, size


def _own_rules(told: Mapping[bytes, Folder], changes: Changes) -> dict[bytes, bytes]:
    """Read the ``.vmlignore`` files that the machine tells of; one that it removed has no rules.

    Raises:
        Foreign: They are more than anybody writes.
    """
    texts: dict[bytes, bytes] = {}
    wanted: list[bytes] = []
    heard = 0
    for path, folder in told.items():
        for row in folder.rows:
            if row.name_bytes == _RULES:
                texts[path] = b""
                if row.kind == "f" and row.size <= LARGEST:
                    wanted.append(path)
    for start in range(0, len(wanted), _WISHES):
        some = wanted[start : start + _WISHES]
        wishes = [Wish(path + b"/" + _RULES if path else _RULES) for path in some]
        place = 0
        for part in changes.read(wishes):
            heard += len(part) if isinstance(part, bytes) else 1
            if heard > _ALL_RULES_BYTES:
                raise Foreign(
                    f"the machine tells of more rules than {_ALL_RULES_BYTES >> 20} MiB of {FILE_NAME}"
                )
            if isinstance(part, Closed):
                place = min(place + 1, len(some) - 1)
            elif isinstance(part, bytes):
                texts[some[place]] = (texts[some[place]] + part)[:LARGEST]
    return texts


def _read_all(
    overlay: Overlay,
    folders: Sequence[Overlaid],
    changes: Changes,
    intake: Intake,
    findings: Findings,
    progress: Progress,
) -> int:
    """Have all wanted files read, those that changed meanwhile again; return the bytes that are new in the store."""
    new_bytes = done = 0
    waiting = [(folder, name) for folder in folders for name in folder.wanted]
    intake.require(sum(folder.wanted[name].size for folder, name in waiting))
    for attempt in range(1, _ATTEMPTS + 1):
        again: list[tuple[Overlaid, bytes]] = []
        for batch in _batches(waiting):
            wishes = [folder.wanted[name] for folder, name in batch]
            for read in intake.read(wishes, changes.read(wishes)):
                folder, name = batch[read.number]
                new_bytes += read.new_bytes
                done += read.size
                progress.advance(done, None, "B")
                if read.changed and attempt < _ATTEMPTS:
                    again.append((folder, name))
                else:
                    _settle(overlay, folder, name, read, findings)
        waiting = again
    return new_bytes


def _batches(waiting: Sequence[tuple[Overlaid, bytes]]) -> Iterator[list[tuple[Overlaid, bytes]]]:
    batch: list[tuple[Overlaid, bytes]] = []
    pieces = 0
    for folder, name in waiting:
        more = len(folder.wanted[name].pieces)
        if batch and (len(batch) >= _WISHES or pieces + more > _PIECES):
            yield batch
            batch, pieces = [], 0
        batch.append((folder, name))
        pieces += more
    if batch:
        yield batch


def _settle(overlay: Overlay, folder: Overlaid, name: bytes, read: Read, findings: Findings) -> None:
    path = printable((folder.path + b"/" + name if folder.path else name).decode("utf-8", "surrogateescape"))
    if read.row is None:
        findings.unreadable.append(f"{path}: {read.error}")
        return
    if read.changed:
        findings.changing.append(path)
    folder.nodes[name] = overlay.described(
        read.row, name, folder.kin(name), size=read.size, content=list(read.content)
    )


class _Finish:
    """Turns folders into trees, from the bottom up, and counts."""

    def __init__(self, repository: Repository, overlay: Overlay, counts: tuple[int, int]) -> None:
        self._repository = repository
        self._overlay = overlay
        self._files, self._bytes = counts
        self._new_bytes = 0

    def run(self, folders: Sequence[Overlaid]) -> tuple[str, Node, int, int, int]:
        nodes: dict[bytes, Node] = {}
        for folder in reversed(folders):
            for name, below in folder.below.items():
                folder.nodes[name] = nodes.pop(below.path)
            nodes[folder.path] = self._node(folder, self._tree(folder))
            self._account(folder)
        top = nodes[b""]
        return top.subtree or "", top, self._files, self._bytes, self._new_bytes

    def _tree(self, folder: Overlaid) -> str:
        if (
            folder.base is not None and folder.base.subtree and folder.nodes == folder.before
        ):  # encoded by whomever
            return folder.base.subtree
        tree, stored = self._repository.save_blob(encode_tree(list(folder.nodes.values())), "tree")
        self._new_bytes += stored
        return tree

    def _node(self, folder: Overlaid, tree: str) -> Node:
        base, row = None if folder.anew else folder.base, folder.row
        if base is not None and keeps_time(base, row) and base.st_mode & 0o777 == row.permissions & 0o777:
            fresh = self._overlay.described(row, base.name_bytes, base, subtree=tree)
            if fresh.extended_attributes == base.extended_attributes:
                return _with_tree(base, tree)
        name = folder.path.rpartition(b"/")[2]
        return self._overlay.described(row, name, base, subtree=tree)

    def _account(self, folder: Overlaid) -> None:
        """Add what is in a folder and was not before, and take away what was in it and is not any more."""
        for nodes, sign in ((folder.nodes, 1), (folder.before, -1)):
            files = [node for node in nodes.values() if node.type == "file"]
            self._files += sign * len(files)
            self._bytes += sign * sum(node.size for node in files)
        gone = [
            name
            for name, node in folder.before.items()
            if node.type == "dir" and not _is_dir(folder.nodes, name)
        ]
        for name in gone:
            files_gone, bytes_gone = count(self._repository, folder.before[name].subtree)
            self._files -= files_gone
            self._bytes -= bytes_gone


def _is_dir(nodes: Nodes, name: bytes) -> bool:
    return name in nodes and nodes[name].type == "dir"


def _with_tree(node: Node, tree: str) -> Node:
    return msgspec.structs.replace(node, subtree=tree)
