"""Likely secrets in a working area, found before others can read them: keys, tokens, passwords in plain sight.

area, names of files -> [Finding(path="config.py", line=12, kind="AWS Access Key"), ...]

Yelp's detect-secrets knows what secrets look like. Only where something is, and what kind, is told, never the secret. A
hint and no proof: large files, archives and images are not looked into, and the time is bounded, so an area without a
finding may hold secrets all the same. `complete` tells whether all that should be looked into was.
"""

from __future__ import annotations

import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.errors import BadNotebook
from vml_jupyter.flows.shown import joined, notebook_of
from vml_jupyter.snapshot.findings import Findings, printable
from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.walk import borders_of, open_area, walk

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

MOST_BYTES = 1 << 20
MOST_FINDINGS = 50
_LONGEST_LINE = 2_000
_BINARY_PROBE = 1 << 12
_DETECTORS = (
    "AWSKeyDetector",
    "AzureStorageKeyDetector",
    "BasicAuthDetector",
    "GitHubTokenDetector",
    "GitLabTokenDetector",
    "JwtTokenDetector",
    "KeywordDetector",
    "NpmDetector",
    "OpenAIDetector",
    "PrivateKeyDetector",
    "PypiTokenDetector",
    "SlackDetector",
)
# A line without any of these holds nothing that a detector knows; looking at each line with each takes 0.3 ms.
_WORTH_A_LOOK = re.compile(
    r"api.?key|auth|passw|passphrase|pwd|private|secret|token|_key|AKIA|ASIA|AccountKey|gh[oprsu]_|glpat|eyJ|sk-|xox|://",
    re.IGNORECASE,
)
# What looks like a password but names where one comes from.
_INDIRECT = re.compile(
    r"^(\$|<|\{|%|os\.|self\.|env|get|input|config)|[()\[\]{}<>$*]|^(.)\2*$|^(true|false|none|null)$", re.I
)
_FILES = {
    ".netrc": "passwords of servers",
    ".pgpass": "passwords of databases",
    ".pypirc": "passwords of package indexes",
    "id_dsa": "private key",
    "id_ecdsa": "private key",
    "id_ed25519": "private key",
    "id_rsa": "private key",
    "userkey.pem": "private key",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that looks like a secret; ``line`` is 0 where the file itself is one, ``cell`` counts from 1."""

    path: str
    kind: str
    line: int = 0
    cell: int = 0


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and whether all files were looked into before the time was over."""

    findings: list[Finding]
    complete: bool


def likely_secrets(area: Path, files: Iterable[str] | None = None, *, seconds: float = 2.0) -> Found:
    """Look through files of a working area for what looks like a secret.

    Args:
        area: The working area.
        files: Paths relative to it, with ``/``; by default all that a snapshot would take.
        seconds: After which time it ends with what it has.
    """
    ends = time.monotonic() + seconds
    findings: list[Finding] = []
    for name in captured(area) if files is None else files:
        if time.monotonic() > ends or len(findings) >= MOST_FINDINGS:
            return Found(findings=findings[:MOST_FINDINGS], complete=False)
        findings.extend(_in_file(area / name, name, ends))
    return Found(findings=findings[:MOST_FINDINGS], complete=time.monotonic() <= ends)


def captured(area: Path) -> Iterator[str]:
    """Yield the regular files that a snapshot of the area would take, relative to it."""
    rules = Rules.of(area)
    for folder in walk(open_area(area), rules, Findings(), borders_of(area, cross_mounts=False)):
        for item in folder.items:
            if stat.S_ISREG(item.status.st_mode) and item.status.st_size <= MOST_BYTES:
                yield folder.relative + item.name


def _in_file(file: Path, name: str, ends: float) -> Iterator[Finding]:
    known = _FILES.get(file.name)
    if known:
        yield Finding(path=printable(name), kind=known)
        return
    try:
        if file.is_symlink() or file.stat().st_size > MOST_BYTES:
            return
        raw = file.read_bytes()
    except OSError:
        return  # the snapshot itself tells what cannot be read
    for cell, kind, text in _texts(file, raw):
        for number, found in _in_text(kind, text, ends):
            yield Finding(path=printable(name), kind=found, line=number, cell=cell)


def _texts(file: Path, raw: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield the texts of a file, each with the cell that it stands in and a name that tells its language."""
    if b"\0" in raw[:_BINARY_PROBE]:
        return
    if file.suffix == ".ipynb":
        try:
            cells = notebook_of(raw).cells
        except BadNotebook:
            return
        for number, cell in enumerate(cells, 1):
            yield number, "cell.py", cell.source
            yield number, "output.txt", "\n".join(joined(output.text) for output in cell.outputs)
        return
    yield 0, PurePosixPath(file.name).name, raw.decode("utf-8", "replace")


def _in_text(name: str, text: str, ends: float) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > _LONGEST_LINE or not _WORTH_A_LOOK.search(line):
            continue
        if time.monotonic() > ends:
            return
        kind = _kind_of(name, line)
        if kind:
            yield number, kind


def _kind_of(name: str, line: str) -> str:
    for detector in _detectors():
        for secret in detector.analyze_line(filename=name, line=line):
            if secret.type != "Secret Keyword" or not _INDIRECT.search(secret.secret_value or ""):
                return str(secret.type)
    return ""


@cache
def _detectors() -> Sequence[BasePlugin]:
    from detect_secrets.core.plugins.initialize import from_plugin_classname  # 0.4 s

    return [from_plugin_classname(name) for name in _DETECTORS]
