"""Which systems a CernVM-FS repository holds: its manifest names a history database, that lists the tags.

    <stratum one>/cvmfs/<fqrn>/.cvmfspublished           lines of a letter and a value, up to "--"
        H<hash>                                          the history object; other letters are other objects
    <stratum one>/cvmfs/<fqrn>/data/ab/cdef...H          zlib(SQLite): tags(name, hash, revision, timestamp)

The object's name is the digest of its bytes, so it is checked; the manifest's signature is, where the keys are at
hand (see ``manifest``). Whatever arrives is untrusted: sizes are bounded, and the database is opened read-only and
without anything it could make SQLite do.

A tag's description may name the one bootloader that boots it ("..., uCernVM 2021.05-1"); most do not.

Sources: cvmfs ``doc-cvmfs`` (manifest, objects), cernvm-online (the same list, made the same way).
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import zlib
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.model import PRODUCTION, Release
from vml_jupyter.release.manifest import OBJECT, Keys, check_object, read_manifest
from vml_jupyter.release.names import parse_tag, system_key
from vml_jupyter.release.source import CERNVM
from vml_jupyter.release.web import read_bounded

# The servers that micro-CernVM itself is built to ask; cernvm.cern.ch has the images, not the systems.
STRATUM_ONES = (
    "http://cvmfs-stratum-one.cern.ch",
    "http://cvmfs-s1fnal.opensciencegrid.org",
    "http://grid-cvmfs-one.desy.de",
)

_HISTORY_LIMIT = 32 * 1024 * 1024
_DATABASE_LIMIT = 256 * 1024 * 1024
_TAG_LIMIT = 20_000
_TEXT_LIMIT = 16 * 1024 * 1024
_STEP_LIMIT = 2_000  # times 10,000 instructions of SQLite's machine
_NEEDS = re.compile(r"\buCernVM (\d+\.\d+-\d+)")


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """One tag of a repository; ``time`` is seconds since 1970."""

    name: str
    root_hash: str
    revision: int
    time: int
    description: str = ""


class System(msgspec.Struct, frozen=True):
    """A system, when it was published (seconds since 1970), and the bootloader that it needs, '' for any."""

    release: Release
    time: int
    bootloader: str = ""


def systems(base_url: str, fqrn: str = PRODUCTION, keys: Keys | None = None) -> list[Release]:
    """Return the systems that a repository holds, newest first; tags that name no system are left out.

    Raises:
        Foreign: The repository breaks its format, or is not signed with these keys.
        ReleaseNotFound, RepositoryUnreachable: There is no such repository, or it does not answer.
    """
    return [system.release for system in dated_systems(base_url, fqrn, keys)]


def dated_systems(base_url: str, fqrn: str = PRODUCTION, keys: Keys | None = None) -> list[System]:
    """Return the systems as ``systems`` does, each with its time."""
    found = {}
    for tag in tags(base_url, fqrn, keys):
        system = parse_tag(tag.name)
        if system:
            path = "cvm3" if system.startswith("3.") else "cvm4"
            release = Release(system=system, repository=fqrn, path=path, root_hash=tag.root_hash)
            needs = _NEEDS.search(tag.description)
            found[system] = System(release, tag.time, needs[1] if needs else "")
    return [found[system] for system in sorted(found, key=system_key, reverse=True)]


def stratum_ones(base_url: str) -> tuple[str, ...]:
    """Return the servers of systems that belong to a server of images: itself, but for CernVM's own site."""
    if urlsplit(base_url).hostname == urlsplit(CERNVM).hostname:
        return STRATUM_ONES
    return (base_url,)


def tags(base_url: str, fqrn: str = PRODUCTION, keys: Keys | None = None) -> list[Tag]:
    """Return all tags of a repository, in no order.

    Raises:
        Foreign, ReleaseNotFound, RepositoryUnreachable: As for ``systems``.
    """
    root = f"{base_url.rstrip('/')}/cvmfs/{quote(fqrn, safe='')}"
    history = read_manifest(root, fqrn, keys or Keys()).field("H")
    if not OBJECT.fullmatch(history):
        raise Foreign(f"the manifest of {fqrn} names no history", "It is no repository of CernVM systems.")
    packed = read_bounded(f"{root}/data/{history[:2]}/{history[2:]}H", _HISTORY_LIMIT)
    check_object(packed, history)
    return _read_tags(_inflate(packed))


def _inflate(packed: bytes) -> bytes:
    machine = zlib.decompressobj()
    try:
        plain = machine.decompress(packed, _DATABASE_LIMIT)
    except zlib.error as error:
        raise Foreign("the repository's history is not zlib data") from error
    if machine.unconsumed_tail or not machine.eof:
        raise Foreign("the repository's history is cut or unreasonably large")
    return plain


def _read_tags(database: bytes) -> list[Tag]:
    with tempfile.TemporaryDirectory(prefix="vml-history-") as folder:
        file = Path(folder) / "history.sqlite"
        file.write_bytes(database)
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                return _select(connection)
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            raise Foreign(f"the repository's history cannot be read: {error}") from error


def _select(connection: sqlite3.Connection) -> list[Tag]:
    steps = iter(range(_STEP_LIMIT))
    # A foreign schema may hold views and triggers that never end: trust none, allow a table only, count the
    # work.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.set_progress_handler(lambda: next(steps, None) is None, 10_000)
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'tags'").fetchone()
    hidden = [row[0] for row in connection.execute("SELECT hidden FROM pragma_table_xinfo('tags')")]
    # A column that is computed when it is read could compute without end, too.
    if kind != ("table",) or any(hidden):
        raise Foreign("the repository's history has no table of tags")
    rows = connection.execute(
        "SELECT CAST(name AS TEXT), CAST(hash AS TEXT), CAST(revision AS INTEGER),"
        " CAST(timestamp AS INTEGER), CAST(description AS TEXT) FROM tags LIMIT ?",
        (_TAG_LIMIT,),
    )
    found: list[Tag] = []
    length = 0
    for name, root_hash, revision, time, description in rows:
        # Rows of a database that is made to do harm may share one long text, which then is there once for each.
        length += len(name or "") + len(root_hash or "") + len(description or "")
        if length > _TEXT_LIMIT:
            raise Foreign("the repository's history says more than can be kept")
        root_hash = root_hash if OBJECT.fullmatch(root_hash or "") else ""
        found.append(
            Tag(
                name=name or "",
                root_hash=root_hash,
                revision=revision or 0,
                time=time or 0,
                description=description or "",
            )
        )
    return found
