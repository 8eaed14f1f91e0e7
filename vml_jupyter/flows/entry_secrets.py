"""Look for likely secrets in an entry of the logbook: in its files, and in what its record says."""

from __future__ import annotations

from collections.abc import Iterable

from vml_jupyter.errors import SecretsFound
from vml_jupyter.flows.secrets import Finding, Scan, Text, likely_secrets
from vml_jupyter.model import Entry
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node
from vml_jupyter.snapshot.copying import Lessened, files_of

RECORD = "entry.json"
"""What findings in an entry's own record, its note for example, are said to be in."""


def scan(source: Lessened, entry: Entry, progress: Progress = SILENT) -> Scan:
    """Return what looks like a secret in an entry: in its files, and in what its record says."""
    progress.stage("secrets", f"Looking for secrets in {entry.id}")
    files = [Text(RECORD, _told(entry).encode())]
    in_area = (_File(path, source, node) for path, node in files_of(source, entry.tree))
    return likely_secrets((each for part in (files, in_area) for each in part), progress)


class _File:
    """One file of an entry, of which only the pieces that are looked at are read."""

    def __init__(self, path: str, source: Lessened, node: Node) -> None:
        self.path = path
        self._source, self._node = source, node
        self.size_bytes = node.size

    def head(self, length: int) -> bytes:
        data = b""
        for id in self._node.content or ():
            if len(data) >= length:
                break
            data += self._source.blob(id)
        return data[:length]


def _told(entry: Entry) -> str:
    """Return what the user wrote into an entry's record, or set in its environment, as text."""
    variables = [f'{name}="{value}"' for name, value in entry.environment.variables.items()]
    return "\n".join([entry.title, entry.project, *entry.tags, *variables, entry.note])


def refusal(findings: tuple[Finding, ...]) -> SecretsFound:
    """Return the error that names them."""
    files = len({each.path for each in findings})
    return SecretsFound(
        f"{len(findings)} things in {files} files look like secrets",
        "Look at them; then say --leave-out to leave these files out, or --allow-secrets to share them all the same.",
        tuple({"path": each.path, "where": each.where, "kind": each.kind} for each in findings),
    )


def unseen_in(scans: Iterable[Scan]) -> dict[str, int]:
    """Return how many files were not looked through, by reason."""
    total: dict[str, int] = {}
    for one in scans:
        for why, count in one.unseen.items():
            total[why] = total.get(why, 0) + count
    return total
