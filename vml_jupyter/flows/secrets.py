"""Look through files for what is likely to be a secret, before anything leaves this computer.

    path, bytes -> name? -> text? -> notebook: cells -> pieces of 4 KiB -> detect-secrets' patterns -> Finding

A finding says where and of what kind, never the secret. It is a help and no proof: what is compressed, encrypted or
binary is not looked into, nor what lies behind the limits; ``Scan.unseen`` counts what was not looked at.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from vml_jupyter.flows.secret_patterns import kinds_in
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress

FILE_BYTES = 4 << 20
"""How much of the beginning of a file is looked through."""
TOTAL_BYTES = 256 << 20
TIME_S = 60.0

_MOST_FINDINGS = 1_000
_HEAD = 8192
_CREDENTIALS = re.compile(
    r"(?:^|/)(?:\.netrc|_netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.pypirc|\.htpasswd|\.vault-token"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|userkey\.pem|x509up_u\d+|krb5cc_\w+|[^/]+\.(?:kdbx|keytab|ppk|p12|pfx)"
    r"|\.aws/credentials|\.docker/config\.json|\.config/gcloud/credentials\.db)\Z"
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Where something lies that may be a secret: ``where`` is ``line 12`` or ``cell 3``, or '' for the whole file."""

    path: str
    where: str
    kind: str


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What a search came to. ``unseen`` counts files that were not looked through, or not to their end, and why."""

    found: tuple[Finding, ...]
    files: int
    unseen: dict[str, int]

    @property
    def paths(self) -> frozenset[str]:
        """The files in which something was found."""
        return frozenset(finding.path for finding in self.found)


class Source(Protocol):
    """One file: its name, with ``/``, and its beginning, which is read when it is asked for."""

    @property
    def path(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...

    def head(self, length: int) -> bytes: ...


class Text(msgspec.Struct, frozen=True):
    """A Source that is at hand."""

    path: str
    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def head(self, length: int) -> bytes:
        return self.content[:length]


def likely_secrets(
    files: Iterable[Source],
    progress: Progress = SILENT,
    *,
    time_s: float = TIME_S,
    total_bytes: int = TOTAL_BYTES,
    file_bytes: int = FILE_BYTES,
) -> Scan:
    """Return what in these files is likely to be a secret.

    Args:
        files: What to look through, in this order.
        progress: Who listens; may cancel.
        time_s: When that is over, the rest counts as unseen.
        total_bytes: Likewise when so much was read.
        file_bytes: How much of each file.
    """
    deadline, left = time.monotonic() + time_s, total_bytes
    found: list[Finding] = []
    unseen: dict[str, int] = {}
    count = 0
    for count, file in enumerate(files, 1):
        progress.advance(count, None, "files")
        if _CREDENTIALS.search(file.path):
            found.append(Finding(path=file.path, where="", kind="a file that holds credentials"))
            continue
        why = _stop(deadline, left, found)
        if not why:
            data = file.head(min(file_bytes, left))
            left -= len(data)
            if b"\0" in data[:_HEAD]:
                why = "binary"
            else:
                found += _in_text(file.path, data, deadline)
                why = _stop(deadline, 1, found) or ("large" if file.size_bytes > len(data) else "")
        if why:
            unseen[why] = unseen.get(why, 0) + 1
    return Scan(found=tuple(found[:_MOST_FINDINGS]), files=count, unseen=unseen)


def _stop(deadline: float, left: int, found: list[Finding]) -> str:
    if time.monotonic() > deadline:
        return "time"
    return "limit" if left <= 0 or len(found) >= _MOST_FINDINGS else ""


def _in_text(path: str, data: bytes, deadline: float) -> Iterator[Finding]:
    text = data.decode("utf-8", "replace")
    parts = (_cells(text) if path.endswith(".ipynb") else None) or [("", text)]
    told: set[tuple[str, str]] = set()
    for name, part in parts:
        for line, kind in kinds_in(part, path, deadline):
            where = name or f"line {line}"
            if (where, kind) not in told:
                told.add((where, kind))
                yield Finding(path=path, where=where, kind=kind)


def _cells(text: str) -> list[tuple[str, str]] | None:
    """Return the cells of a notebook by number: source and what they printed; None where it is none."""
    try:
        cells = parse(text.encode(), dict[str, Any])["cells"]
        return [(f"cell {number}", "\n".join(_texts(cell))) for number, cell in enumerate(cells, 1)]
    except (msgspec.DecodeError, UnicodeError, KeyError, TypeError, AttributeError):
        return None


def _texts(cell: dict[str, object]) -> Iterator[str]:
    outputs = cell.get("outputs")
    yield _joined(cell.get("source"))
    for output in outputs if isinstance(outputs, list) else ():
        yield _joined(output.get("text"))
        data = output.get("data")
        for kind, value in data.items() if isinstance(data, dict) else ():
            if not kind.startswith("image/"):
                yield _joined(value)
        yield _joined(output.get("traceback"))


def _joined(value: object) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""
