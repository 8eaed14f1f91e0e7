"""What a snapshot would hold and cost, told before it is taken; nothing is written, not even a lock.

area -> survey -> largest, left out      area -> take, into a store that lets go of all -> new bytes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vml_jupyter.errors import LogbookMissing
from vml_jupyter.flows import notebooks
from vml_jupyter.flows.entries import known_password
from vml_jupyter.flows.origins import continued
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import SCRYPT_N_GENERATED, Repository, memory_store, open_store
from vml_jupyter.repository.rehearsal import Rehearsal
from vml_jupyter.snapshot import survey, take


class LargeFile(msgspec.Struct, frozen=True):
    path: str
    bytes: int


class LeftOut(msgspec.Struct, frozen=True):
    """How many files and folders a rule keeps out; ``file`` is where the rule stands, '' for a default."""

    pattern: str
    file: str
    count: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry of an area would hold. ``new_bytes`` is what the logbook would grow by, but for the record."""

    files: int
    bytes: int
    new_bytes: int
    parent: str
    largest: list[LargeFile]
    ignored: list[LeftOut]
    unreadable: list[str]
    notes: list[str]


def preview(
    settings: Settings, area: Path, progress: Progress = SILENT, *, cross_mounts: bool = False
) -> Preview:
    """Look through the working area as ``capture`` would, and return what would come of it.

    Raises:
        BadArea: The area is none.
        LogbookError: The logbook cannot be opened or read; one that is not there yet is no error.
    """
    progress.stage("survey", "Looking at the working area")
    area = notebooks.checked_area(area)
    seen = survey(area, cross_mounts)
    with _rehearsed(settings) as logbook:
        previous = continued(settings, logbook, area)
        progress.stage("take", "Comparing it with the logbook")
        listening = _Notes(progress)
        taken = take(
            logbook.repository,
            area,
            listening,
            parent_tree=previous.tree if previous else None,
            total_bytes=seen.bytes,
            cross_mounts=cross_mounts,
        )
    return Preview(
        files=taken.files,
        bytes=taken.bytes,
        new_bytes=taken.new_bytes,
        parent=previous.id if previous else "",
        largest=[LargeFile(path, size) for size, path in seen.largest],
        ignored=[LeftOut(rule.line, rule.file, count) for rule, count in seen.rules.items()],
        unreadable=taken.unreadable,
        notes=listening.notes,
    )


class _Notes:
    """Pass progress on, but keep what it notes: a preview tells it at the end."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self.notes: list[str] = []

    def stage(self, name: str, title: str) -> None:
        self._inner.stage(name, title)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._inner.advance(done, total, unit)

    def note(self, text: str) -> None:
        self.notes.append(text)


@contextmanager
def _rehearsed(settings: Settings) -> Iterator[Logbook]:
    """Open the logbook so that nothing is written to it; one that is not there yet is as good as empty."""
    try:
        password = known_password(settings)
        repository = Repository.open(Rehearsal(open_store(settings.logbook)), password)
    except LogbookMissing:
        store = memory_store()
        Repository.create(store, "empty", scrypt_n=SCRYPT_N_GENERATED).close()
        repository = Repository.open(Rehearsal(store), "empty")
    logbook = Logbook(repository, settings.cache)
    try:
        yield logbook
    finally:
        logbook.close()
