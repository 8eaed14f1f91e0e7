"""Read an entry's working area without restoring it: one folder at a time, one file at a time.

    entry, "fits"             -> the nodes of that folder
    entry, "fits/higgs.ipynb" -> its bytes, or their beginning

Nothing is written, and no path leaves the snapshot: a path is looked up name by name in the trees, so ``..`` is
a name like any other that is not there, and links are told of and not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from vml_jupyter.errors import Ambiguous, LogbookDamaged, NotFound
from vml_jupyter.flows.entries import counted, opened
from vml_jupyter.flows.held import Opening
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry
from vml_jupyter.repository import Node, Repository
from vml_jupyter.snapshot.compare import nodes_of, shown, subtree_of

MOST_ITEMS = 5_000


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something in a folder. ``size`` is in bytes; ``target`` is where a link points; ``time`` its last change."""

    name: str
    type: str
    size: int = 0
    time: str = ""
    target: str = ""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """The first ``MOST_ITEMS`` of a folder, folders first; ``total`` is how many there are."""

    path: str
    items: list[Item]
    total: int


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or its beginning; ``size`` is that of the whole."""

    path: str
    size: int
    raw: bytes

    @property
    def is_whole(self) -> bool:
        return len(self.raw) == self.size


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, whole, and what came of it; ``parent`` is None where it has none or that is gone."""

    entry: Entry
    parent: Entry | None
    children: list[Entry]


def details(settings: Settings, entry_id: str, *, opening: Opening = opened) -> Details:
    """Return an entry with its packages, its parent and its children, be it in the bin or not.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    with opening(settings) as logbook:
        entry = counted(logbook, find_anywhere(logbook, entry_id))
        others = logbook.entries()
        parent = next((other for other in others if other.id == entry.parent), None)
        if parent is None and entry.parent:
            # What restic wrote is not among the entries; what cannot be found or read is gone.
            with suppress(NotFound, Ambiguous, LogbookDamaged):
                parent = logbook.find(entry.parent)
    return Details(
        entry=entry,
        parent=parent,
        children=[other for other in others if other.parent == entry.id],
    )


def list_folder(settings: Settings, entry_id: str, path: str = "", *, opening: Opening = opened) -> Listing:
    """Return what lies in one folder of an entry; '' is the working area itself.

    Raises:
        NotFound: There is no such entry, or no such folder in it.
        LogbookDamaged: The folder cannot be read.
    """
    with opening(settings) as logbook:
        entry = find_anywhere(logbook, entry_id)
        tree = logbook.area_tree(entry)
        if path:
            node = find_node(logbook.repository, tree, path)
            if node.type != "dir" or not node.subtree:
                raise NotFound(f"{path!r} is no folder in the entry {entry.id}", "Open it as a file.")
            tree = node.subtree
        nodes = nodes_of(logbook.repository, tree)
    ordered = sorted(nodes, key=lambda node: (node.type != "dir", shown(node.name_bytes).casefold()))
    return Listing(path=path, items=list(map(_item, ordered[:MOST_ITEMS])), total=len(nodes))


def read_file(
    settings: Settings, entry_id: str, path: str, most: int, *, opening: Opening = opened
) -> Content:
    """Return the first ``most`` bytes of a file of an entry.

    Raises:
        NotFound: There is no such entry, or no such file in it.
        LogbookDamaged: A part of it is missing or altered.
    """
    with opening(settings) as logbook:
        entry = find_anywhere(logbook, entry_id)
        return content_of(logbook.repository, logbook.area_tree(entry), path, most)


def find_anywhere(logbook: Logbook, entry_id: str) -> Entry:
    """Return an entry that may be in the bin, too; errors as for ``Logbook.find``."""
    try:
        return logbook.find(entry_id)
    except NotFound as error:
        try:
            return logbook.find_forgotten(entry_id)
        except NotFound:
            raise error from None


def content_of(repository: Repository, tree: str, path: str, most: int) -> Content:
    """Return the first ``most`` bytes of a file in a tree; errors as for ``read_file``."""
    node = find_node(repository, tree, path)
    if node.type != "file":
        raise NotFound(f"{path!r} is no file but a {node.type}", "Only files can be shown.")
    ids = node.content or []
    size = sum(map(repository.blob_size, ids))
    return Content(path=path, size=size, raw=b"".join(_pieces(repository, ids, most)))


def find_node(repository: Repository, tree: str, path: str) -> Node:
    """Return the node that a path, as people read it, leads to.

    Raises:
        NotFound: There is none.
    """
    node: Node | None = None
    subtree: str | None = tree
    for name in path.split("/"):
        found = (one for one in nodes_of(repository, subtree) if shown(one.name_bytes) == name)
        node = next(found, None)
        if node is None:
            break
        subtree = subtree_of(node)
    if node is None:
        raise NotFound(f"the entry has no {path!r}", "Look at the list of its files.")
    return node


def _pieces(repository: Repository, ids: Sequence[str], most: int) -> Iterator[bytes]:
    for id in ids:
        if most <= 0:
            return
        piece = repository.blob(id)[:most]
        most -= len(piece)
        yield piece


def _item(node: Node) -> Item:
    target = shown(node.target_bytes) if node.type == "symlink" else ""
    return Item(name=shown(node.name_bytes), type=node.type, size=node.size, time=node.mtime, target=target)
