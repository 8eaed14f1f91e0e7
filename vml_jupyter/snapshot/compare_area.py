"""What changed between a snapshot and the working area as it is now.

    tree, area --compare_area--> Change, Change, ...      files whose stat is the same are not read

A file that has to be read is cut where the snapshot's file is cut, and the pieces' digests are their names there; so
the logbook's own bytes are never fetched.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from vml_jupyter.repository import Node, Repository
from vml_jupyter.snapshot.compare import (
    Change,
    Side,
    attributes_in,
    compare,
    difference,
    nodes_of,
    permissions_of,
    shown,
    side_of,
    subtree_of,
)
from vml_jupyter.snapshot.describe import attributes_of, describe_special, is_unchanged
from vml_jupyter.snapshot.descriptor import Descriptor
from vml_jupyter.snapshot.findings import Findings, Item
from vml_jupyter.snapshot.ignore import Rules
from vml_jupyter.snapshot.walk import Folder, borders_of, open_area, walk

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_BLOCK = 1 << 20
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFBLK: "dev",
    stat.S_IFCHR: "chardev",
    stat.S_IFIFO: "fifo",
}


def compare_area(
    repository: Repository, before: str, area: Path, cross_mounts: bool = False
) -> tuple[list[Change], list[str]]:
    """Return how ``area`` differs from the tree ``before``, and what could not be read.

    What ``.vmlignore`` leaves out now is not looked at; where the tree has it, it counts as removed.

    Args:
        repository: Where the tree is.
        before: The tree.
        area: The working area.
        cross_mounts: Whether what is mounted below the area belongs to it, as it did when the tree was taken.

    Raises:
        BadArea: The area is missing, no folder, or cannot be read.
        LogbookDamaged: The tree cannot be read.
    """
    findings = Findings()
    trees: dict[str, str | None] = {"": before}
    changes: list[Change] = []
    for folder in walk(open_area(area), Rules.of(area), findings, borders_of(area, cross_mounts)):
        tree = trees.pop(folder.relative, None)
        nodes = {node.name_bytes: node for node in nodes_of(repository, tree)}
        for item in (*folder.items, *folder.subfolders):
            node = nodes.pop(os.fsencode(item.name), None)
            if stat.S_ISDIR(item.status.st_mode):
                trees[f"{folder.relative}{item.name}/"] = subtree_of(node)
            change = _change(repository, folder, item, node, findings)
            if change:
                changes.append(change)
            if node and subtree_of(node) and not stat.S_ISDIR(item.status.st_mode):
                changes += _removed(repository, os.fsencode(folder.relative + item.name) + b"/", node)
        for name, node in nodes.items():
            path = os.fsencode(folder.relative) + name
            changes.append(Change(shown(path), path, side_of(node), None))
            changes += _removed(repository, path + b"/", node)
    return sorted(changes, key=lambda change: change.raw.split(b"/")), findings.unreadable


def read_plain(area: Path, path: bytes, most: int) -> bytes:
    """Return the first ``most`` bytes of a file of the area; no link below the area is followed.

    Raises:
        BadArea: The area is gone.
        OSError: The file cannot be read, or is no plain file any more.
    """
    folder = open_area(area).descriptor
    assert folder is not None
    *above, name = path.split(b"/")
    for part in above:
        folder = Descriptor(os.fsdecode(part), folder)
    descriptor = os.open(name, _OPEN, dir_fd=folder.number)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, no path
        return file.read(most)


def _removed(repository: Repository, path: bytes, node: Node) -> Iterator[Change]:
    """Yield all that was in a folder that is gone."""
    for change in compare(repository, subtree_of(node) or "", "") if subtree_of(node) else ():
        yield Change(shown(path + change.raw), path + change.raw, change.before, None)


def _change(
    repository: Repository, folder: Folder, item: Item, node: Node | None, findings: Findings
) -> Change | None:
    path = os.fsencode(folder.relative + item.name)
    status = item.status
    after = Side(_TYPES[stat.S_IFMT(status.st_mode)], status.st_size, stat.S_IMODE(status.st_mode))
    if node is None:
        return Change(shown(path), path, None, after)
    if node.type != after.type:
        return Change(shown(path), path, side_of(node), after, ("type",))
    if is_unchanged(node, status) or folder.descriptor is None:
        return None
    try:
        what, lacking = _difference(repository, folder.descriptor.number, item, node)
    except FileNotFoundError:
        return Change(shown(path), path, side_of(node), None)
    except OSError as error:
        findings.unread(folder.relative + item.name, error)
        return None
    if lacking:
        findings.unread(folder.relative + item.name, lacking)
    return Change(shown(path), path, side_of(node), after, what) if what else None


def _difference(repository: Repository, folder: int, item: Item, node: Node) -> tuple[tuple[str, ...], str]:
    """Return in what something differs, and what of its attributes could not be read and so does not count."""
    if stat.S_ISREG(item.status.st_mode):
        descriptor = os.open(item.name, _OPEN, dir_fd=folder)
        try:
            same = item.status.st_size == node.size and _holds(repository, descriptor, node)
            found, lacking = attributes_of(descriptor)
        finally:
            os.close(descriptor)
        differs = {
            "content": not same,
            "mode": permissions_of(node) != stat.S_IMODE(item.status.st_mode),
            "attributes": not lacking and attributes_in(node) != {one.name: one.value for one in found or ()},
        }
        return tuple(name for name, is_so in differs.items() if is_so), lacking
    if stat.S_ISDIR(item.status.st_mode):
        return (() if permissions_of(node) == stat.S_IMODE(item.status.st_mode) else ("mode",)), ""
    special, lacking = describe_special(folder, item)
    what = difference(node, special)
    return tuple(each for each in what if each != "attributes" or not lacking), lacking


def _holds(repository: Repository, descriptor: int, node: Node) -> bool:
    """Tell whether a file is what ``node`` says, by cutting it where the node is cut; the logbook is not read."""
    for id in node.content or ():
        digest = hashlib.sha256()
        rest = repository.blob_size(id)
        while rest:
            block = os.read(descriptor, min(rest, _BLOCK))
            if not block:
                return False
            digest.update(block)
            rest -= len(block)
        if digest.hexdigest() != id:
            return False
    return not os.read(descriptor, 1)
