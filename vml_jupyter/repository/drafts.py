"""Findings in the making: what is hurt becomes who needs it.

add -> Draft, with the blobs that are hurt by it --follow the trees of every snapshot--> files --> Finding
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from vml_jupyter.repository.contents import BlobKey
from vml_jupyter.repository.records import Snapshot
from vml_jupyter.repository.report import Affected, Finding, Severity
from vml_jupyter.repository.tracing import ReadTrees, Trace

_FILES_LISTED = 100
_PATHS_FOLLOWED = 100_000


@dataclass
class Draft:
    """A finding in the making, with the blobs that are hurt by it."""

    severity: Severity
    kind: str
    object: str
    message: str
    blobs: set[BlobKey] = field(default_factory=set)
    affected: dict[str, list[str]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)


class Drafts:
    """All findings of one check."""

    def __init__(self) -> None:
        self._drafts: list[Draft] = []

    def add(self, severity: Severity, kind: str, object: str, message: str) -> Draft:
        """Begin a finding and return it, to be completed."""
        draft = Draft(severity, kind, object, message)
        self._drafts.append(draft)
        return draft

    def follow(self, read_trees: ReadTrees, snapshots: Iterable[Snapshot]) -> None:
        """Find the snapshots and files that need what is hurt."""
        by_blob: dict[BlobKey, list[Draft]] = {}
        for draft in self._drafts:
            for blob in draft.blobs:
                by_blob.setdefault(blob, []).append(draft)
        if not by_blob:
            return
        trace = Trace(read_trees, set(by_blob))
        for snapshot in snapshots:
            for path, blob in itertools.islice(trace.paths(snapshot.tree), _PATHS_FOLLOWED):
                for draft in by_blob[blob]:
                    files = draft.affected.setdefault(snapshot.id, [])
                    if not files or files[-1] != path:
                        draft.totals[snapshot.id] = draft.totals.get(snapshot.id, 0) + 1
                        if len(files) < _FILES_LISTED:
                            files.append(path)

    def findings(self) -> tuple[Finding, ...]:
        """Return them all, the worst first."""
        order = {"damage": 0, "warning": 1, "note": 2}
        drafts = sorted(self._drafts, key=lambda draft: (order[draft.severity], draft.object))
        return tuple(map(_finding, drafts))


def _finding(draft: Draft) -> Finding:
    affected = (
        Affected(snapshot=id, files=tuple(files), files_total=draft.totals.get(id, 0))
        for id, files in draft.affected.items()
    )
    return Finding(
        severity=draft.severity,
        kind=draft.kind,
        object=draft.object,
        message=draft.message,
        affected=tuple(affected),
    )
