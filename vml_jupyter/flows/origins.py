"""Which entry a working area continues: the one that was last captured from it, or the one that was restored to it.

    <data>/origins/<SHA-256 of the area's path>      {"area": "/home/ada/fits", "entry": "...", "time": "...Z"}

So an entry that is restored to a folder and captured there has two futures, and the list can show the branch. The
newest word counts; a file that is gone or cannot be read says nothing, and nothing else depends on it.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.errors import Ambiguous, NotFound
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Query
from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file
from vml_jupyter.repository.gotime import now


class _Origin(msgspec.Struct, frozen=True):
    area: str
    entry: str
    time: str


def remember(settings: Settings, area: Path, entry: Entry) -> None:
    """Keep in mind that ``area`` holds ``entry`` from now on; where that cannot be written, it is as without."""
    folder = str(area.resolve())
    with suppress(OSError, UnicodeEncodeError):  # a name of bytes that are no text cannot be written down
        replace_file(
            _file(settings, folder), [msgspec.json.encode(_Origin(folder, entry.id, now()))], lasts=True
        )


def continued(settings: Settings, logbook: Logbook, area: Path) -> Entry | None:
    """Return the entry that ``area``, an absolute path, continues; None where it is the first of its kind."""
    last = next(iter(logbook.listed(Query(area=str(area), outside=True, limit=1)).entries), None)
    try:
        origin = parse(_file(settings, str(area)).read_bytes(), _Origin)
    except (OSError, msgspec.DecodeError):
        return last
    if origin.area != str(area) or (last is not None and last.time >= origin.time):
        return last
    try:
        return logbook.find(origin.entry)
    except (NotFound, Ambiguous):  # in another logbook, or forgotten
        return last


def _file(settings: Settings, area: str) -> Path:
    return settings.data / "origins" / hashlib.sha256(os.fsencode(area)).hexdigest()[:32]
