"""How an entry lies in a restic snapshot.

    snapshot    time, paths [area], tags ["vml", "entry:<id>"], in the bin also ["vml-bin", "forgotten:<time>"]
    `- root tree
       |- area         folder: the working area, with its own mode, times, owner and attributes
       `- entry.json   file: the Entry record, without where it lies

So ``restic dump SNAPSHOT /entry.json`` prints the entry and ``restic restore`` gives the area back. The bin is
part of the repository, so whoever prunes, and with whichever program, keeps what is in it.
"""

from __future__ import annotations

import re

import msgspec

from vml_jupyter.errors import LogbookDamaged, Usage
from vml_jupyter.model import Entry
from vml_jupyter.parsing import Parser
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.gotime import now

TAG = "vml"
BIN_TAG = "vml-bin"
_ID_TAG = "entry:"
_FORGOTTEN_TAG = "forgotten:"
_OUR_PREFIXES = (_ID_TAG, _FORGOTTEN_TAG)
_AREA = "area"
_RECORD = "entry.json"
_FOLDER_MODE = from_stat(0o040755)
_FILE_MODE = from_stat(0o100644)
_MAXIMUM_BYTES = 4 << 20
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_parser = Parser(Entry)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


def tags_of(entry: Entry) -> list[str]:
    """Return the tags of the snapshot that holds ``entry``."""
    tags = [TAG, _ID_TAG + entry.id]
    return [*tags, BIN_TAG, _FORGOTTEN_TAG + entry.forgotten] if entry.forgotten else tags


def retagged(snapshot: Snapshot, entry: Entry) -> list[str]:
    """Return the tags of a snapshot that takes the place of ``snapshot``; what others put there stays."""
    ours = (BIN_TAG, TAG)
    foreign = [tag for tag in snapshot.tags or [] if tag not in ours and not tag.startswith(_OUR_PREFIXES)]
    return [*tags_of(entry), *foreign]


def entry_id_of(snapshot: Snapshot) -> str | None:
    """Return the id of the entry that ``snapshot`` holds, None where it holds none."""
    tags = snapshot.tags or []
    if TAG not in tags:
        return None
    return next((id for id in _values(tags, _ID_TAG) if _ID.fullmatch(id)), None)


def forgotten_at(snapshot: Snapshot) -> str:
    """Return when the entry in ``snapshot`` was put into the bin, '' where it is not in it.

    Somebody may have tagged it with restic and no time; then the snapshot's own tells too little, and the time
    is the end of all times, so that it does not expire.
    """
    tags = snapshot.tags or []
    if BIN_TAG not in tags:
        return ""
    times = (time for time in _values(tags, _FORGOTTEN_TAG) if _TIME.fullmatch(time))
    return next(times, "9999-12-31T23:59:59Z")


def time_to_forget(entry: Entry) -> str:
    """Return the present, or, where the clock stands in the past, the entry's own time: or it would expire at once."""
    return max(time for time in (now(), entry.time, entry.edited) if _TIME.fullmatch(time))


def checked(entry: Entry) -> Entry:
    """Return ``entry`` if it would be read again after it was written.

    Raises:
        Usage: A text in it is too long.
    """
    try:
        record = encode_record(entry)
        _parser.parse(record)
    except msgspec.ValidationError as error:
        raise Usage(f"the entry cannot be written like this: {error}", "Make it shorter") from error
    if len(record) > _MAXIMUM_BYTES:
        raise Usage(f"the entry's record has {len(record)} bytes, too many", "Make its note shorter")
    return entry


def encode_record(entry: Entry) -> bytes:
    """Return the JSON of ``entry.json``, laid out for people."""
    bare = msgspec.structs.replace(entry, snapshot="", tree="", forgotten="", writer="")
    return msgspec.json.format(msgspec.json.encode(bare), indent=2) + b"\n"


def save_root(repository: Repository, entry: Entry, area_tree: str, folder: Node | None = None) -> str:
    """Save the root tree of an entry and return its id.

    Args:
        repository: Where it goes.
        entry: The record that goes beside the area.
        area_tree: The area's tree.
        folder: The node of the area itself, from ``take`` or ``area_node``; a plain folder if None.
    """
    record = encode_record(entry)
    blob, _ = repository.save_blob(record, novel=True)  # it holds the entry's id
    folder = folder or Node(name=_AREA, type="dir", mode=_FOLDER_MODE, mtime=entry.time)
    area = msgspec.structs.replace(folder, name=_AREA, subtree=area_tree)
    file = Node(
        name=_RECORD,
        type="file",
        mode=_FILE_MODE,
        mtime=entry.time,
        size=len(record),
        links=1,
        content=[blob],
    )
    return repository.save_tree([area, file], novel=True)


def area_node(repository: Repository, snapshot: Snapshot) -> Node:
    """Return the node of the working area in ``snapshot``: its tree, and what is known of the folder itself.

    Raises:
        LogbookDamaged: There is none.
    """
    return _nodes(repository, snapshot)[0]


def load_entry(repository: Repository, snapshot: Snapshot) -> Entry:
    """Read the entry that lies in ``snapshot``.

    Raises:
        LogbookDamaged: It is missing, or no entry of ours.
    """
    area, file = _nodes(repository, snapshot)
    content = file.content or []
    if sum(map(repository.blob_size, content)) > _MAXIMUM_BYTES:
        raise _damaged(snapshot, "its record is larger than any that VML writes")
    try:
        entry = _parser.parse(b"".join(map(repository.blob, content)))
    except msgspec.DecodeError as error:
        raise _damaged(snapshot, f"its record is not understood: {error}") from error
    if entry.id != entry_id_of(snapshot):
        raise _damaged(snapshot, "its record is that of another entry")
    return msgspec.structs.replace(
        entry, snapshot=snapshot.id, tree=area.subtree or "", forgotten=forgotten_at(snapshot), writer=""
    )


def _nodes(repository: Repository, snapshot: Snapshot) -> tuple[Node, Node]:
    """Return the nodes of the area and of the record."""
    nodes = {node.name: node for node in repository.tree(snapshot.tree)}
    area, file = nodes.get(_AREA), nodes.get(_RECORD)
    if area is None or area.subtree is None or file is None:
        raise _damaged(snapshot, "it holds no working area with a record")
    return area, file


def _values(tags: list[str], prefix: str) -> list[str]:
    return [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]


def _damaged(snapshot: Snapshot, why: str) -> LogbookDamaged:
    return LogbookDamaged(
        f"the entry in snapshot {snapshot.id[:8]} cannot be read: {why}",
        f"`restic restore {snapshot.id[:8]}` may still give its files",
    )
