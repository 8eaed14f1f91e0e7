"""What an export says of itself: ``manifest.json`` for programs, ``README.txt`` for people."""

from __future__ import annotations

import msgspec

from vml_jupyter.model import Entry, Release

FORMAT = 1

_README = """\
This is an export of VML, the Virtual Machine Logbook for Jupyter. It holds {count}:

{entries}

With VML:        vml import {name}
                 vml restore {first}
Without VML:     tar -xf {name}
                 restic -r repository --password-file password snapshots
                 restic -r repository --password-file password restore latest --target restored
                 (https://restic.net, any version from 0.14 on; the files are in restored/area)

The password in the file "password" was made for this export. Whoever has this file can read all that is in it.
"""


class ExportedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, for people and programs that only read the manifest."""

    id: str
    title: str
    time: str
    notebook: str = ""
    release: Release | None = None


class ExportedRelease(msgspec.Struct, frozen=True, kw_only=True):
    """An image in the archive: its file's name, its bytes, and which release it boots."""

    file: str
    sha256: str
    size_bytes: int
    release: Release


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an export."""

    format: int
    program: str
    entries: tuple[ExportedEntry, ...]
    releases: tuple[ExportedRelease, ...] = ()


def readme(entries: list[Entry], name: str) -> str:
    """Return the text of ``README.txt``."""
    lines = [f"    {each.id}  {each.time[:16].replace('T', ' ')}  {each.title}" for each in entries]
    count = "one entry" if len(entries) == 1 else f"{len(entries)} entries"
    return _README.format(count=count, entries="\n".join(lines), name=name, first=entries[0].id)
