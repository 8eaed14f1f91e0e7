"""What restic wrote into the repository beside the entries: shown as an entry that can be read, never changed here.

    snapshot    time, paths [/home/ada/fits], hostname, tags       ->  Entry: title, area, tags; writer "restic"
    `- root tree
       `- home
          `- ada
             `- fits                                               ->  the area, where there is one path

restic keeps the way to what it backs up: of an absolute path all of it, of a relative one the end. What lies beside
the way shows that it is none, and then, as with several paths, the area is the whole tree.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.logbook.register import Row, row_of
from vml_jupyter.model import Entry, Environment
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.gotime import format_time, parse_time

WRITER = "restic"
ID_LENGTH = 12
"""Of a snapshot's id, so much is the entry's: restic shows 8 digits, and 48 bits of ten thousand hardly collide."""

_LINE, _PATH, _TAGS, _TAG = 1_000, 20_000, 100, 100
_NAMED = 3
_UNKNOWN_TIME = format_time(0)


def entry_of(snapshot: Snapshot) -> Entry:
    """Return what a snapshot says of itself as an entry; where its content lies is not looked up."""
    paths = snapshot.paths or []
    tags = [tag[:_TAG] for tag in snapshot.tags or () if tag]
    who = f", as {snapshot.username}" if snapshot.username else ""
    return Entry(
        id=snapshot.id[:ID_LENGTH],
        time=_time(snapshot),
        title=_title(paths, snapshot.hostname)[:_LINE],
        note=f"Written by {snapshot.program_version or WRITER}{who}."[:_LINE],
        area=paths[0][:_PATH] if len(paths) == 1 else "",
        tags=tuple(tags[:_TAGS]),
        environment=Environment(),
        cross_mounts=True,  # as restic does unless it is told otherwise
        snapshot=snapshot.id,
        writer=WRITER,
    )


def row_of_other(snapshot: Snapshot) -> Row:
    """Return the row of a snapshot that is no entry; ``entry`` stays empty."""
    return msgspec.structs.replace(row_of(entry_of(snapshot), ()), entry="")


def load_other(repository: Repository, snapshot: Snapshot) -> Entry:
    """Return a snapshot as an entry with its tree.

    Raises:
        LogbookDamaged: The way to it cannot be read.
    """
    return msgspec.structs.replace(entry_of(snapshot), tree=folder_in(repository, snapshot).subtree or "")


def folder_in(repository: Repository, snapshot: Snapshot) -> Node:
    """Return the node of the folder that was backed up: of a single file the one that it is in, of several the top.

    Raises:
        LogbookDamaged: The way to it cannot be read.
    """
    top = Node(
        name="area", type="dir", mode=from_stat(0o040755), mtime=_time(snapshot), subtree=snapshot.tree
    )
    if len(snapshot.paths or ()) != 1:
        return top
    parts = [os.fsencode(part) for part in PurePosixPath((snapshot.paths or [""])[0]).parts if part != "/"]
    beginning = repository.tree(snapshot.tree)
    for begin, part in enumerate(parts):
        if len(beginning) == 1 and beginning[0].name_bytes == part:
            return _followed(repository, top, parts[begin:]) or top
    return top


def _followed(repository: Repository, folder: Node, parts: Sequence[bytes]) -> Node | None:
    """Return the folder to which names lead that each are alone in theirs; None where one is not."""
    for number, part in enumerate(parts):
        nodes = repository.tree(folder.subtree or "")
        if len(nodes) != 1 or nodes[0].name_bytes != part:
            return None
        if nodes[0].type != "dir" or not nodes[0].subtree:
            return folder if number == len(parts) - 1 else None
        folder = nodes[0]
    return folder


def _title(paths: Sequence[str], host: str) -> str:
    named = ", ".join(paths[:_NAMED]) or "nothing"
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{named}{more} on {host}" if host else named + more


def _time(snapshot: Snapshot) -> str:
    try:
        return format_time(parse_time(snapshot.time))
    except Foreign:
        return _UNKNOWN_TIME
