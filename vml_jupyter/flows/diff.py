"""Diff: what changed between two entries, or between an entry and the working area as it is now.

entry, entry (or its parent, or an area) -> files -> notebooks, cell by cell -> environment
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.environment import describe
from vml_jupyter.environment.packages import normalised
from vml_jupyter.errors import BadNotebook, LogbookDamaged, NotFound
from vml_jupyter.flows import notebooks
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.held import Opening
from vml_jupyter.flows.notebook_diff import LARGEST_BYTES, NotebookDiff, diff_notebooks
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Environment
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot.compare import Change, Side, compare
from vml_jupyter.snapshot.compare_area import compare_area, read_plain

_MOST_NOTEBOOKS = 100


class FileSide(msgspec.Struct, frozen=True):
    type: str
    size: int
    mode: int


class FileChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was ``added``, ``removed`` or ``changed``, and then in ``what``."""

    path: str
    kind: str
    before: FileSide | None = None
    after: FileSide | None = None
    what: tuple[str, ...] = ()


class NotebookChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A notebook that changed; ``why_not`` says why it was not compared cell by cell, where it was not."""

    path: str
    diff: NotebookDiff | None = None
    why_not: str = ""


class EnvironmentChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is not as it was: fields of the environment, and packages; None stands for a package that is absent."""

    fields: dict[str, tuple[str, str]]
    packages: dict[str, tuple[str | None, str | None]]


class Count(msgspec.Struct, frozen=True):
    """Files of one kind of change, and their bytes."""

    files: int
    bytes: int


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """``before`` is an entry's id, ``after`` another one's, or the path of a working area."""

    before: str
    after: str
    counts: dict[str, Count]
    files: list[FileChange]
    notebooks: list[NotebookChange]
    environment: EnvironmentChange
    unreadable: list[str]

    def __repr__(self) -> str:
        """Say what changed in one line; the fields have the rest."""
        files = ", ".join(f"{count.files} {kind}" for kind, count in self.counts.items())
        return f"<Diff from {self.before} to {self.after}: files {files}>"


def diff(
    settings: Settings,
    entry_id: str,
    other_id: str = "",
    *,
    area: Path | None = None,
    with_notebooks: bool = True,
    progress: Progress = SILENT,
    opening: Opening = opened,
) -> Diff:
    """Return what changed from one entry to another.

    Args:
        settings: Where the logbook is.
        entry_id: The earlier entry; alone, it is the later one, and its parent the earlier.
        other_id: The later entry.
        area: A working area to compare ``entry_id`` with, as it is now, in the place of an entry.
        with_notebooks: Whether to look into the notebooks that changed.
        progress: Who listens.
        opening: Opens the logbook.

    Raises:
        NotFound, Ambiguous: An entry is not there, or has no parent.
        BadArea: The area is none.
    """
    with opening(settings) as logbook:
        first = logbook.find(entry_id)
        progress.stage("compare", "Comparing the files")
        if area is not None:
            return _with_area(logbook.repository, first, notebooks.checked_area(area), with_notebooks)
        before, after = (first, logbook.find(other_id)) if other_id else (_parent(logbook, first), first)
        changes = list(compare(logbook.repository, before.tree, after.tree))
        looked_into = _notebooks(logbook.repository, changes, None) if with_notebooks else []
        return _told(before, after, changes, looked_into, [])


def _with_area(repository: Repository, before: Entry, area: Path, with_notebooks: bool) -> Diff:
    changes, unreadable = compare_area(repository, before.tree, area, before.cross_mounts)
    looked_into = _notebooks(repository, changes, area) if with_notebooks else []
    return _told(before, area, changes, looked_into, unreadable)


def _later(before: Entry, after: Entry | Path) -> Environment:
    """Return what the later one runs in; the earlier's where restic, which knows none, wrote either: no change."""
    if before.writer or (isinstance(after, Entry) and after.writer):
        return before.environment
    return after.environment if isinstance(after, Entry) else _now(before, after)


def _now(before: Entry, area: Path) -> Environment:
    """Return what the area runs in now."""
    return describe(
        notebook=_kept(area, before.notebook),
        chosen=before.environment.release if before.environment.release_chosen else None,
    )


def _kept(area: Path, notebook: str) -> Path | None:
    """Return an entry's notebook in the area, None where there is none any more."""
    try:
        return area / notebooks.checked_notebook(area, notebook) if notebook else None
    except BadNotebook:
        return None


def _parent(logbook: Logbook, entry: Entry) -> Entry:
    if not entry.parent:
        raise NotFound(f"the entry {entry.id} has no parent", "Name two entries: `vml diff A B`.")
    try:
        return logbook.find(entry.parent)
    except NotFound as error:
        raise NotFound(
            f"the parent of {entry.id} is not in the logbook any more: {error.message}",
            error.hint if "bin" in error.message else "Name two entries: `vml diff A B`.",
        ) from error


def _told(
    before: Entry,
    after: Entry | Path,
    changes: Sequence[Change],
    looked_into: list[NotebookChange],
    unreadable: list[str],
) -> Diff:
    return Diff(
        before=before.id,
        after=after.id if isinstance(after, Entry) else str(after),
        counts={kind: _count(changes, kind) for kind in ("added", "removed", "changed")},
        files=[
            FileChange(
                path=change.path,
                kind=change.kind,
                before=_side(change.before),
                after=_side(change.after),
                what=change.what,
            )
            for change in changes
        ],
        notebooks=looked_into,
        environment=compare_environments(before.environment, _later(before, after)),
        unreadable=unreadable,
    )


def _count(changes: Iterable[Change], kind: str) -> Count:
    sides = [(change.before, change.after) for change in changes if change.kind == kind]
    files = [[side for side in pair if side and side.type != "dir"] for pair in sides]
    return Count(sum(map(bool, files)), sum(pair[-1].size for pair in files if pair))


def _side(side: Side | None) -> FileSide | None:
    return FileSide(side.type, side.size, side.mode) if side else None


def _notebooks(repository: Repository, changes: Iterable[Change], area: Path | None) -> list[NotebookChange]:
    changed = [
        change
        for change in changes
        if change.raw.endswith(b".ipynb")
        and "content" in change.what
        and change.before is not None
        and change.after is not None
    ]
    return [_notebook(repository, change, area) for change in changed[:_MOST_NOTEBOOKS]]


def _notebook(repository: Repository, change: Change, area: Path | None) -> NotebookChange:
    assert change.before is not None
    assert change.after is not None
    try:
        before = _content(repository, change.before)
        after = _content(repository, change.after) if area is None else _file(area, change)
        return NotebookChange(path=change.path, diff=diff_notebooks(before, after))
    except (BadNotebook, LogbookDamaged) as error:
        return NotebookChange(path=change.path, why_not=error.message)


def _content(repository: Repository, side: Side) -> bytes:
    ids = (side.node.content if side.node else None) or []
    if sum(map(repository.blob_size, ids)) > LARGEST_BYTES:
        raise BadNotebook(
            "the notebook is too large to be compared cell by cell", "Compare its files instead."
        )
    return b"".join(map(repository.blob, ids))


def _file(area: Path, change: Change) -> bytes:
    """Read a notebook of the area that was a plain file when it was compared; links are not followed."""
    try:
        return read_plain(area, change.raw, LARGEST_BYTES + 1)
    except OSError as error:
        raise BadNotebook(f"it cannot be read: {error.strerror}", "Try again.") from error


def compare_environments(before: Environment, after: Environment) -> EnvironmentChange:
    """Return what two environments differ in."""
    texts = [_texts(before), _texts(after)]
    # Old entries have names as their authors wrote them: Jinja2 and jinja2 are one package.
    old, new = (
        {normalised(name): version for name, version in environment.packages.items()}
        for environment in (before, after)
    )
    versions = {name: (old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())}
    return EnvironmentChange(
        fields={
            name: (texts[0][name], texts[1][name]) for name in texts[0] if texts[0][name] != texts[1][name]
        },
        packages={name: pair for name, pair in versions.items() if pair[0] != pair[1]},
    )


def _texts(environment: Environment) -> dict[str, str]:
    release = environment.release
    return {
        "release": release.label if release else "",
        "bootloader": release.bootloader if release else "",
        "os": environment.os,
        "kernel": environment.kernel,
        "architecture": environment.architecture,
        "cpu": environment.cpu,
        "python": environment.python,
        "kernelspec": environment.kernelspec,
    }
