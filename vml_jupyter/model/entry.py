"""A dated line in the logbook: a snapshot, its environment, its notebook."""

from __future__ import annotations

import secrets
from typing import Annotated

import msgspec
from msgspec import Meta

from vml_jupyter.model.environment import Environment

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

# Entries come from colleagues too: what is longer than anybody writes by hand is refused when it is read.
Id = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}\Z")]
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"
Time = Annotated[str, Meta(pattern=rf"^{_TIME}\Z")]
Line = Annotated[str, Meta(max_length=1_000)]
PathText = Annotated[str, Meta(max_length=20_000)]
Note = Annotated[str, Meta(max_length=100_000)]
Tags = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=100)], ...], Meta(max_length=100)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


def new_entry_id() -> str:
    """Return a random entry id: 12 characters of Crockford's base 32 (60 bits), lower case."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry.

    ``time`` is UTC in ISO 8601 with ``Z``, and so are ``edited``, when its record was changed last, and
    ``forgotten``, when it was put into the bin. ``note`` is Markdown. ``project`` is a name of the user's
    choice. ``area`` is the folder the snapshot was taken from, for people to recognise; nothing is ever read
    from or written to it. ``machine`` is the one that it was taken in, if any; ``area`` is then
    where the restored entry came from. ``notebook`` is relative to the area, with ``/``; ``cell`` is the id of its
    cell that was worked on, where it has ids. ``parent`` is the entry that this one continues. ``imported_as`` is the
    id that an imported entry had where it came from, if that was taken here. ``unreadable`` counts what was in the
    area and could not be read: files, folders, extended attributes. ``changing`` counts the files that never held
    still and are as they were read last; ``changing_files`` names the first of them. ``cross_mounts`` tells that what
    was mounted below the area was captured, too. ``automatic`` marks one that nobody asked for by hand. The last four
    fields say where the content lies, whether that is the bin, and which program wrote it where that was not VML
    (``restic``); they are filled in when an entry is read from a logbook and are not in its record.
    """

    id: Id
    time: Time
    title: Line
    environment: Environment
    note: Note = ""
    project: Line = ""
    notebook: PathText = ""
    cell: Annotated[str, Meta(pattern=r"^([0-9A-Za-z_-]{1,64})?\Z")] = ""
    area: PathText = ""
    machine: Annotated[str, Meta(max_length=64)] = ""
    parent: Annotated[str, Meta(max_length=64)] = ""
    tags: Tags = ()
    files: Count = 0
    bytes: Count = 0
    new_bytes: Count = 0
    unreadable: Count = 0
    changing: Count = 0
    changing_files: Annotated[tuple[Line, ...], Meta(max_length=100)] = ()
    cross_mounts: bool = False
    automatic: bool = False
    imported_as: Annotated[str, Meta(max_length=64)] = ""
    edited: Annotated[str, Meta(pattern=rf"^({_TIME})?\Z")] = ""
    snapshot: str = ""
    tree: str = ""
    forgotten: str = ""
    writer: str = ""

    def __repr__(self) -> str:
        """Say what it is in one line; the fields have the rest."""
        release = self.environment.release
        content = f"{self.files} files, {self.bytes:,} bytes"
        where = f"in {release.label}" if release else "in no CernVM"
        forgotten = ", in the bin" if self.forgotten else ""
        return f"<Entry {self.id} of {self.time[:16]}Z: {self.title!r}, {content}, {where}{forgotten}>"
