"""How an entry lies in a restic snapshot.

    snapshot    time, paths [area], tags ["vml", "entry:<id>"]
    `- root tree
       |- area         folder: the working area
       `- entry.json   file: the Entry record, without where it lies

So ``restic dump SNAPSHOT /entry.json`` prints the entry and ``restic restore`` gives the area back.
"""

from __future__ import annotations

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.model import Entry
from vml_jupyter.repository import Node, Repository, Snapshot
from vml_jupyter.repository.gomode import from_stat

TAG = "vml"
_ID_TAG = "entry:"
_AREA = "area"
_RECORD = "entry.json"
_FOLDER_MODE = from_stat(0o040755)
_FILE_MODE = from_stat(0o100644)
_MAXIMUM_BYTES = 16 << 20


def tags_of(entry: Entry) -> list[str]:
    return [TAG, _ID_TAG + entry.id]


def entry_id_of(snapshot: Snapshot) -> str | None:
    """Return the id of the entry that ``snapshot`` holds, None where it holds none."""
    tags = snapshot.tags or []
    if TAG not in tags:
        return None
    return next((tag.removeprefix(_ID_TAG) for tag in tags if tag.startswith(_ID_TAG)), None)


def encode_record(entry: Entry) -> bytes:
    """Return the JSON of ``entry.json``, laid out for people."""
    bare = msgspec.structs.replace(entry, snapshot="", tree="")
    return msgspec.json.format(msgspec.json.encode(bare), indent=2) + b"\n"


def save_root(repository: Repository, entry: Entry, area_tree: str) -> str:
    """Save the root tree of an entry and return its id."""
    record = encode_record(entry)
    blob, _ = repository.save_blob(record)
    area = Node(name=_AREA, type="dir", mode=_FOLDER_MODE, mtime=entry.time, subtree=area_tree)
    file = Node(
        name=_RECORD,
        type="file",
        mode=_FILE_MODE,
        mtime=entry.time,
        size=len(record),
        links=1,
        content=[blob],
    )
    return repository.save_tree([area, file])


def load_entry(repository: Repository, snapshot: Snapshot) -> Entry:
    """Read the entry that lies in ``snapshot``.

    Raises:
        LogbookDamaged: It is missing, or no entry of ours.
    """
    nodes = {node.name: node for node in repository.tree(snapshot.tree)}
    area, file = nodes.get(_AREA), nodes.get(_RECORD)
    if area is None or area.subtree is None or file is None or file.size > _MAXIMUM_BYTES:
        raise _damaged(snapshot, "it holds no working area with a record")
    raw = b"".join(map(repository.blob, file.content or ()))
    try:
        entry = msgspec.json.decode(raw, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(snapshot, f"its record is not understood: {error}") from error
    return msgspec.structs.replace(entry, snapshot=snapshot.id, tree=area.subtree)


def _damaged(snapshot: Snapshot, why: str) -> LogbookDamaged:
    return LogbookDamaged(
        f"the entry in snapshot {snapshot.id[:8]} cannot be read: {why}",
        f"`restic restore {snapshot.id[:8]}` may still give its files",
    )
