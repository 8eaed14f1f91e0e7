"""Import: the entries of a file that ``export`` wrote become entries of this logbook, merged by content.

    archive -> looked through -> each entry: here already?  the same id?  -> trees and blobs that are not here -> entry

Nothing of the file is unpacked, run or believed: headers, records and trees are looked at before their content is
used, each blob is checked by its own digest, and what is taken is marked foreign until the user trusts it. An entry
appears when all that it names is there, so an import that breaks off leaves whole entries or none.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign, LogbookDamaged, NotFound, Usage, WrongPassword
from vml_jupyter.flows.entries import opened_or_created
from vml_jupyter.flows.manifest import FORMAT, Manifest
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.trust import trusted
from vml_jupyter.logbook import Logbook
from vml_jupyter.logbook.document import encode_record
from vml_jupyter.model import Entry, Query
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Repository
from vml_jupyter.repository.archive import Archive
from vml_jupyter.repository.archive_store import ArchiveStore
from vml_jupyter.snapshot.copying import Lessened, copy

_MANIFEST_BYTES = 1 << 20
_MOST_ENTRIES = 10_000
_DENSEST = 1_000
_ALWAYS_BYTES = 1 << 30
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_WRITTEN = ("title", "note", "project", "tags", "edited")
"""What a person writes about an entry, after it was made too."""
_ODD = "Get the file again, from somebody you know."


class ImportedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one entry.

    ``outcome`` is ``new``; ``here``, if it was here already; or ``renamed``, if its id was another entry's: ``entry``
    is the id here, ``was`` the one in the file. ``note`` says more.
    """

    entry: str
    was: str
    title: str
    outcome: str
    files: int = 0
    new_bytes: int = 0
    note: str = ""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file: its entries, the images taken, and those that could be (``--with-release``)."""

    entries: tuple[ImportedEntry, ...]
    images: tuple[Path, ...] = ()
    offered: tuple[str, ...] = ()


def import_file(
    settings: Settings, path: Path, *, with_release: bool = False, progress: Progress = SILENT
) -> Imported:
    """Take the entries of an export into the logbook.

    Args:
        settings: Where the logbook is; it is made if there is none.
        path: The file.
        with_release: Whether the CernVM images in it are taken too.
        progress: Who listens.

    Raises:
        Usage: There is no such file.
        Foreign: It is none that ``export`` wrote, was cut or altered, or was made to do harm; says what is wrong.
        DiskFull: There is no room.
        LogbookError: The logbook cannot be opened or written.
    """
    if not path.is_file():
        raise Usage(f"{path} is no file", "Name a file that `vml export` wrote.")
    progress.stage("look", f"Looking through {path.name}")
    with Archive.open(path) as archive:
        manifest = _manifest(archive)
        origin = _origin(archive)
        try:
            with opened_or_created(settings) as logbook, logbook.repository.lock():
                entries = _entries(origin)
                limit = _ALWAYS_BYTES + _DENSEST * path.stat().st_size
                taken = _Taker(settings, origin, logbook, limit, progress).take(entries)
        except LogbookDamaged as error:
            if archive.label not in error.message:
                raise
            raise Foreign(f"{path.name} cannot be used: {error.message}", _ODD) from error
        finally:
            origin.close()
        images: tuple[Path, ...] = ()
        if with_release:
            from vml_jupyter.flows.import_images import take_image  # which imports what judges signatures

            images = tuple(take_image(settings, archive, each, progress) for each in manifest.releases)
    offered = () if with_release else tuple(each.release.label for each in manifest.releases)
    return Imported(entries=taken, images=images, offered=offered)


def _manifest(archive: Archive) -> Manifest:
    try:
        manifest = parse(archive.read("manifest.json", _MANIFEST_BYTES), Manifest)
    except msgspec.DecodeError as error:
        raise Foreign(f"the manifest in {archive.label} cannot be read: {error}", _ODD) from error
    if manifest.format != FORMAT:
        raise Foreign(
            f"{archive.label} has the format {manifest.format}, and this program knows {FORMAT}",
            "A newer vml-jupyter can read it; so can restic, see its README.txt.",
        )
    return manifest


def _origin(archive: Archive) -> Logbook:
    password = archive.read("password", 1000).decode("utf-8", "replace").strip()
    try:
        return Logbook(Repository.open(ArchiveStore(archive), password))
    except (LogbookDamaged, WrongPassword, NotFound) as error:
        raise Foreign(f"the repository in {archive.label} cannot be opened: {error.message}", _ODD) from error


def _entries(origin: Logbook) -> list[Entry]:
    """Return the entries of the archive, oldest first."""
    listed = origin.listed(Query(limit=_MOST_ENTRIES + 1))
    if listed.damaged:
        raise Foreign(f"an entry in it cannot be read: {listed.damaged[0].message}", _ODD)
    if not 0 < len(listed.rows) <= _MOST_ENTRIES:
        raise Foreign(f"{origin.repository.url} holds no entry, or too many", _ODD)
    return sorted(
        (origin.find(row.snapshot) for row in listed.rows), key=lambda entry: (entry.time, entry.id)
    )


class _Taker:
    """Takes entries from one logbook into another, whose lock is held."""

    def __init__(
        self, settings: Settings, origin: Logbook, logbook: Logbook, most_bytes: int, progress: Progress
    ) -> None:
        self._origin, self._logbook = origin, logbook
        self._most_bytes, self._progress = most_bytes, progress
        self._trusted = trusted(settings)
        forgotten = logbook.listed(Query(forgotten=True)).rows
        self._here = {row.entry: bool(row.forgotten) for row in (*forgotten, *logbook.listed().rows)}
        self._renamed: dict[str, str] = {}

    def take(self, entries: list[Entry]) -> tuple[ImportedEntry, ...]:
        return tuple(self._take(entry) for entry in entries)

    def _take(self, entry: Entry) -> ImportedEntry:
        self._progress.stage("copy", f"Taking {entry.id}")
        taken = msgspec.structs.replace(entry, parent=self._renamed.get(entry.parent, entry.parent))
        for id in (entry.id, _other_id(entry)):
            taken = msgspec.structs.replace(taken, id=id, imported_as="" if id == entry.id else entry.id)
            if id in self._here:
                known = self._find(id)
                if _content(known) == _content(taken):
                    return self._is_here(entry, known)
            # Who once trusted something of that id did not mean this.
            elif id not in self._trusted:
                return self._add(entry, taken)
        raise Foreign(
            f"the entry {entry.id} cannot be told from others here", "Import it into another logbook."
        )

    def _find(self, id: str) -> Entry:
        return self._logbook.find_forgotten(id) if self._here[id] else self._logbook.find(id)

    def _is_here(self, entry: Entry, known: Entry) -> ImportedEntry:
        self._renamed[entry.id] = known.id
        same = all(getattr(known, name) == getattr(entry, name) for name in _WRITTEN)
        note = "" if same else "what is written about it here differs, and was left as it is"
        note = "it is in the bin" if self._here[known.id] else note
        return ImportedEntry(entry=known.id, was=entry.id, title=known.title, outcome="here", note=note)

    def _add(self, entry: Entry, taken: Entry) -> ImportedEntry:
        copied = copy(
            Lessened(self._origin.repository),
            self._logbook.repository,
            entry.tree,
            self._progress,
            most_bytes=self._most_bytes,
        )
        folder = self._origin.area_node(entry)
        # Foreign first: a crash in between leaves a mark without an entry, never an entry without its mark.
        self._trusted.add_foreign(taken.id)
        bare = msgspec.structs.replace(taken, snapshot="", tree="", forgotten="")
        self._logbook.add(bare, copied.tree, folder)
        self._here[taken.id] = False
        self._renamed[entry.id] = taken.id
        renamed = taken.id != entry.id
        return ImportedEntry(
            entry=taken.id,
            was=entry.id,
            title=taken.title,
            outcome="renamed" if renamed else "new",
            files=copied.files,
            new_bytes=copied.new_bytes,
            note=f"the id {entry.id} is another entry's here" if renamed else "",
        )


def _content(entry: Entry) -> tuple[str, bytes]:
    """Return what an entry is, whatever it is called and whatever was written about it."""
    bare = msgspec.structs.replace(
        entry,
        id="x",
        imported_as="",
        parent="",
        new_bytes=0,
        title="",
        note="",
        project="",
        tags=(),
        edited="",
    )
    return entry.tree, encode_record(bare)


def _other_id(entry: Entry) -> str:
    """Return another id for an entry whose own is taken: always the same, so that a second import finds it."""
    digest = hashlib.sha256(repr((entry.id, _content(entry))).encode()).digest()
    return "".join(_ALPHABET[byte & 31] for byte in digest[:12])
