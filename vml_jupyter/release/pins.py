"""Ask whether what a pin names can still be fetched from a Stratum 1, and remember the answers.

    root hash   HEAD <server>/cvmfs/<fqrn>/data/ab/cdef...C      the root catalog of that revision
    tag         the history of the repository names it           (see ``history``)
    ... expected     and as the root hash that it named when it was recorded: a tag may be published anew

    there      a server has it
    gone       every server answered, one at least carries the repository, and none has it; or none has it, and one
               says that the tag names another revision by now
    unknown    a server did not answer, or none carries the repository, or nobody asked yet

    <cache>/pins.json    {"<fqrn> <moment> <digest of the servers>": {"state", "at", "reason"}, ...}
                         where the moment is a root hash, a tag, or a tag, = and the root hash that is expected of it

An answer is believed for an hour, and silence for a minute; without network this costs two seconds in all.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.model import Pin
from vml_jupyter.release import reach
from vml_jupyter.release.history import tags
from vml_jupyter.release.manifest import Keys, read_manifest
from vml_jupyter.release.memory import read_json, write_whole
from vml_jupyter.release.repository import Repository
from vml_jupyter.release.source import published_file

THERE, GONE, UNKNOWN = "there", "gone", "unknown"
MOVED = "its tag now names another revision"

_FRESH_S = {THERE: 3600.0, GONE: 3600.0, UNKNOWN: 60.0}
_REMEMBERED = 5000
_ANSWER_S = 5.0
_PATIENCE_S = 15.0


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it stands with one pin.

    ``at`` is when a server last told, ``asked`` when one was asked last, in seconds since 1970, 0 for never.
    """

    state: str = UNKNOWN
    at: float = 0.0
    reason: str = "nobody was asked yet"
    asked: float = 0.0

    @property
    def checked(self) -> str:
        """Return the time of the answer as ISO 8601 in UTC, '' for none."""
        return datetime.fromtimestamp(self.at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if self.at else ""


def ask_pins(
    pins: Iterable[Pin],
    repositories: Sequence[Repository],
    cache: Path | None = None,
    *,
    asking: bool = True,
    anew: bool = False,
) -> dict[Pin, Answer]:
    """Return how it stands with each of these pins.

    Args:
        pins: What is asked for.
        repositories: Whose Stratum 1 servers are asked.
        cache: The folder for what is remembered; None remembers nothing.
        asking: False for what is remembered, of whatever age, without any network.
        anew: True asks also what was answered a moment ago.
    """
    servers = {server: line.keys for line in repositories for server in line.stratum_ones()}
    memory = _Memory(cache, servers)
    found = {pin: memory.recall(pin) for pin in pins}
    if not asking:
        return found
    now = time.time()
    due = [pin for pin, known in found.items() if anew or not 0 <= now - known.asked < _FRESH_S[known.state]]
    if due:
        round_ = _Round(servers)
        found.update({pin: _merged(round_.ask(pin), found[pin]) for pin in due})
        memory.keep({pin: found[pin] for pin in due})
    return found


def _merged(told: Answer, known: Answer) -> Answer:
    """Return what was told now; of a silent server, with what was known before."""
    if told.state != UNKNOWN or not known.at:
        return told
    if known.state == UNKNOWN:  # which keeps in words what was known before it
        return msgspec.structs.replace(told, at=known.at, reason=known.reason)
    was = "there" if known.state == THERE else "gone"
    return msgspec.structs.replace(
        told, at=known.at, reason=f"{told.reason}; it was {was} on {known.checked[:10]}"
    )


@dataclass
class _Round:
    """One round of questions: who answers is found out once, and each history read once."""

    servers: Mapping[str, Path | None]
    histories: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reached = set(reach.answering(self.servers))
        self.until = time.monotonic() + _PATIENCE_S

    def ask(self, pin: Pin) -> Answer:
        now = time.time()
        told = [self._answer(server, pin) for server in self.servers]
        if THERE in told:
            return Answer(state=THERE, at=now, asked=now, reason="")
        if MOVED in told:  # whoever is silent has that history, too, or an older one
            return Answer(state=GONE, at=now, asked=now, reason=MOVED)
        if None in told or not told:
            return Answer(state=UNKNOWN, asked=now, reason="not every server answers")
        if GONE in told:
            return Answer(state=GONE, at=now, asked=now, reason="no server has it any more")
        return Answer(state=UNKNOWN, asked=now, reason=f"none of the servers carries {pin.fqrn}")

    def _answer(self, server: str, pin: Pin) -> str | None:
        """Return what one server tells: there, gone, moved, '' where it lacks the repository, None for silence."""
        if server not in self.reached or time.monotonic() > self.until:
            return None
        root = f"{server.rstrip('/')}/cvmfs/{pin.fqrn}"
        try:
            if not pin.root_hash:
                return _as_tagged(pin, self._tags(server, pin.fqrn).get(pin.tag))
            if is_served(f"{root}/data/{pin.root_hash[:2]}/{pin.root_hash[2:]}C"):
                return THERE
            read_manifest(root, pin.fqrn, Keys())
            return GONE
        except ReleaseNotFound:
            return ""
        except (RepositoryUnreachable, Foreign, Usage):
            return None

    def _tags(self, server: str, fqrn: str) -> dict[str, str]:
        """Return the tags of a repository, each with its root hash."""
        known = self.histories.get((server, fqrn))
        if known is None:
            keys = Keys.of(self.servers[server])
            known = self.histories[server, fqrn] = {
                tag.name: tag.root_hash for tag in tags(server, fqrn, keys)
            }
        return known


def _as_tagged(pin: Pin, root_hash: str | None) -> str:
    """Return how it stands with a pin whose tag names this root hash today, None for no such tag."""
    if root_hash is None:
        return GONE
    return THERE if pin.expected in ("", root_hash) else MOVED


def is_served(url: str) -> bool:
    """Tell whether a server has an object or a file, without fetching it.

    Raises:
        RepositoryUnreachable: It does not say; or it is a network that answers everything with a log-in page.
    """
    try:
        published_file(url, _ANSWER_S)
    except ReleaseNotFound:
        return False
    return True


class _Memory:
    """Answers by pin, for one set of servers."""

    def __init__(self, cache: Path | None, servers: Iterable[str]) -> None:
        self._file = cache / "pins.json" if cache else None
        self._whom = hashlib.sha256(" ".join(servers).encode()).hexdigest()[:16]
        self._lines = self._read()

    def recall(self, pin: Pin) -> Answer:
        return self._lines.get(self._key(pin), Answer())

    def keep(self, answers: Mapping[Pin, Answer]) -> None:
        new = {self._key(pin): answer for pin, answer in answers.items()}
        lines = [line for line in self._read().items() if line[0] not in new]
        if self._file:
            write_whole(self._file, msgspec.json.encode({**dict(lines[-_REMEMBERED:]), **new}))

    def _key(self, pin: Pin) -> str:
        moment = pin.root_hash or "=".join(filter(None, (pin.tag, pin.expected)))
        return f"{pin.fqrn} {moment} {self._whom}"

    def _read(self) -> dict[str, Answer]:
        found: dict[str, Answer] | None = read_json(self._file, dict[str, Answer]) if self._file else None
        return found or {}
