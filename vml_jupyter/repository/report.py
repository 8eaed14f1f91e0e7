"""What ``check`` tells: findings, how bad each is, and which snapshots and files need what is hurt."""

from __future__ import annotations

from typing import Literal

import msgspec

Severity = Literal["damage", "warning", "note"]
"""``damage``: something is lost or will fail. ``warning``: nothing is lost, but room is. ``note``: good to know."""


class Affected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A snapshot that needs something hurt, and by which files.

    ``files`` are paths in the snapshot, escaped as in trees, a folder's with a slash at its end; ``files_total`` counts
    those too that are not listed. ``entry`` is the logbook's id of the snapshot, '' where it is no entry.
    """

    snapshot: str
    entry: str = ""
    files: tuple[str, ...] = ()
    files_total: int = 0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be.

    ``object`` names a file of the repository, ``kind`` is stable for programs, ``message`` is for people.
    """

    severity: Severity
    kind: str
    object: str
    message: str
    affected: tuple[Affected, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a check saw; ``read_bytes`` is how much of the packs' content was read and compared."""

    findings: tuple[Finding, ...]
    snapshots: int
    packs: int
    blobs: int
    bytes: int
    read_bytes: int

    @property
    def clean(self) -> bool:
        """Tell whether nothing is damaged."""
        return not any(finding.severity == "damage" for finding in self.findings)
