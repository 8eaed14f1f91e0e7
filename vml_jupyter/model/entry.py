"""A dated line in the logbook: a snapshot, its environment, its notebook."""

from __future__ import annotations

import secrets

import msgspec

from vml_jupyter.model.environment import Environment

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_entry_id() -> str:
    """Return a random entry id: 12 characters of Crockford's base 32 (60 bits), lower case."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry.

    ``time`` is UTC in ISO 8601 with ``Z``. ``area`` is the folder the snapshot was taken from, for
    people to recognise; nothing is ever read from or written to it. ``notebook`` is relative to the
    area, with ``/``. ``parent`` is the entry that this one continues. ``unreadable`` counts what was in
    the area and could not be read. ``snapshot`` and ``tree`` say where the content lies and are filled in
    when an entry is read from a logbook; they are not in its record.
    """

    id: str
    time: str
    title: str
    environment: Environment
    note: str = ""
    notebook: str = ""
    area: str = ""
    parent: str = ""
    tags: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    new_bytes: int = 0
    unreadable: int = 0
    snapshot: str = ""
    tree: str = ""
