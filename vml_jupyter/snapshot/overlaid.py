"""Lay what a machine tells over the trees that its working area was made of.

    tree of the restored entry     folders that the machine tells     ->  Overlaid: a folder with all its nodes,
                                                                          and the files in it that must be read

A folder that is not told of is never looked at: its node, with its tree, stands as it did. What was captured from the
same machine before (``known``) is not read again where inode, size and both times are the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from vml_jupyter.errors import Foreign
from vml_jupyter.repository import ExtendedAttribute, Node, Repository
from vml_jupyter.repository.gomode import from_stat
from vml_jupyter.repository.gonames import quote_name
from vml_jupyter.repository.gotime import format_time
from vml_jupyter.snapshot.descriptor import DEEPEST
from vml_jupyter.snapshot.findings import Findings
from vml_jupyter.snapshot.ignore import FILE_NAME, LARGEST, Rules
from vml_jupyter.snapshot.told import Folder, Row, Wish

_RULES = FILE_NAME.encode()
_TYPES = {
    "f": ("file", 0o100000),
    "d": ("dir", 0o040000),
    "l": ("symlink", 0o120000),
    "p": ("fifo", 0o010000),
}
_KEPT_MODE = {"f": 0o777, "d": 0o1777, "l": 0o777, "p": 0o777}
_SECOND = 1_000_000_000
_MOST_PIECES = 8_000

Nodes = dict[bytes, Node]


@dataclass
class Overlaid:
    """A folder that the machine tells of; ``before`` is what was in it, ``nodes`` what is, without folders told of.

    ``base`` is its own node before, ``wanted`` the files that must be read. ``anew`` says that it was made anew in the
    machine, as was what it is in: what has the same name in ``before`` is something else.
    """

    path: bytes
    row: Row
    base: Node | None
    before: Nodes
    nodes: Nodes
    known: Nodes
    anew: bool = False
    below: dict[bytes, Overlaid] = field(default_factory=dict)
    wanted: dict[bytes, Wish] = field(default_factory=dict)

    def kin(self, name: bytes) -> Node | None:
        """Return the node that something in here was before."""
        return None if self.anew else self.before.get(name)


@dataclass(frozen=True)
class Owner:
    """Whose the changed things are, and the number that keeps hard links of one machine apart from all others."""

    node: Node
    device: int


class Overlay:
    """Builds the folders of one capture.

    Args:
        repository: Where the trees are.
        folders: What the machine tells, by path, parents before what is in them.
        whole: Whether folders tell everything, not only what changed.
        owner: Whose what changed is to be.
        rules: The texts of the machine's own ``.vmlignore`` files, by the folder's path.
    """

    def __init__(
        self,
        repository: Repository,
        folders: Mapping[bytes, Folder],
        *,
        whole: bool,
        owner: Owner,
        rules: Mapping[bytes, bytes],
        findings: Findings,
    ) -> None:
        self._repository = repository
        self._folders = folders
        self._whole = whole
        self._owner = owner
        self._own_rules = rules
        self._rules = Rules()
        self._findings = findings
        self._left_out: set[bytes] = set()

    def build(self, top: Row, base: Node, known: str | None) -> list[Overlaid]:
        """Return all folders that are told of, each before those in it.

        Args:
            top: The working area itself.
            base: Its node, with the tree that it was made of.
            known: The tree that was captured from this machine last.

        Raises:
            Foreign: What is told is no tree of folders.
            LogbookDamaged: What the area was made of cannot be read.
        """
        if b"" not in self._folders:
            raise Foreign("the machine tells nothing of its working area")
        root = self._begin(b"", top, base, known)
        found = {b"": root}
        for path, folder in self._folders.items():
            above = path.rpartition(b"/")[0]
            if path and (above in self._left_out or path in self._left_out):
                self._left_out.add(path)
                continue
            if path not in found:
                raise Foreign(f"the machine tells of a folder {path[:80]!a} before what it is in")
            grown = found[path]
            self._fill(grown, folder)
            if path.count(b"/") >= DEEPEST:
                raise Foreign("the machine tells of folders that are too deep")
            found.update((sub.path, sub) for sub in grown.below.values())
        for overlaid in found.values():
            if overlaid.path not in self._folders:
                overlaid.nodes = dict(overlaid.before)  # it would not be looked into: as it was
        return list(found.values())

    def _begin(
        self, path: bytes, row: Row, base: Node | None, known: str | None, anew: bool = False
    ) -> Overlaid:
        before = self._nodes(base.subtree if base else None)
        folder = self._folders.get(path)
        anew = anew or (folder is not None and folder.opaque and not self._whole)
        nodes = {} if self._whole or anew else dict(before)
        if folder is not None and folder.error:
            self._findings.unread(os.fsdecode(path), folder.error)
            nodes = dict(before)
        return Overlaid(path, row, base, before, nodes, self._nodes(known), anew)

    def _nodes(self, tree: str | None) -> Nodes:
        return {node.name_bytes: node for node in self._repository.tree(tree)} if tree else {}

    def _fill(self, grown: Overlaid, folder: Folder) -> None:
        relative = os.fsdecode(grown.path) + "/" if grown.path else ""
        self._heed(grown, relative)
        seen: set[bytes] = set()
        for row in folder.rows:
            name = row.name_bytes
            if name in seen:
                raise Foreign(f"the machine tells twice of {name[:80]!a}")
            seen.add(name)
            grown.nodes.pop(name, None)
            if row.kind in "wx":
                if row.kind == "x":
                    self._findings.notes.append(
                        f"{relative}{os.fsdecode(name)!a} is a device or socket, left out"
                    )
                continue
            path = grown.path + b"/" + name if grown.path else name
            if self._rules.ignores(relative + os.fsdecode(name), row.kind == "d"):
                self._left_out.add(path)
                self._findings.ignored += 1
            else:
                self._put(grown, name, path, row)

    def _heed(self, grown: Overlaid, relative: str) -> None:
        """Heed the rules that stand in a folder now, the machine's or those that it was made of."""
        text = self._own_rules.get(grown.path)
        node = grown.nodes.get(_RULES)
        if text is None and node is not None and node.type == "file":
            content = node.content or ()
            if sum(map(self._repository.blob_size, content)) <= LARGEST:  # its own size may be a lie
                text = b"".join(map(self._repository.blob, content))
        if text is not None:
            self._rules.heed(relative, text.decode("latin-1"))

    def _put(self, grown: Overlaid, name: bytes, path: bytes, row: Row) -> None:
        if row.lacking:
            self._findings.unread(os.fsdecode(path), row.lacking)
        base, known = grown.before.get(name), grown.known.get(name)
        if row.kind == "d":
            tree = known.subtree if known and known.type == "dir" else None
            folder = base if base and base.type == "dir" else None
            grown.below[name] = self._begin(path, row, folder, tree, grown.anew)
        elif row.kind != "f":
            grown.nodes[name] = self.described(row, name, grown.kin(name))
        elif known is not None and is_same(known, row) and self._has(known):
            grown.nodes[name] = known
        elif self._whole and base is not None and looks_same(base, row) and self._has(base):
            grown.nodes[name] = base
        else:
            grown.wanted[name] = Wish(
                path, row.size, self._pieces(known, row.size) or self._pieces(base, row.size)
            )

    def _has(self, node: Node) -> bool:
        return all(map(self._repository.has_blob, node.content or ()))

    def _pieces(self, node: Node | None, size: int) -> list[tuple[int, str]]:
        """Return the blobs that a file had, as far as they are stored.

        The last one was cut where the file ended: of one that has grown it is read again, and cut by its content.
        """
        if node is None or node.type != "file":
            return []
        content = list(node.content or ())[:_MOST_PIECES]
        if size > node.size:
            del content[-1:]
        pieces = []
        for blob in content:
            if not self._repository.has_blob(blob):
                break
            pieces.append((self._repository.blob_size(blob), blob))
        return pieces

    def described(self, row: Row, name: bytes, base: Node | None, **rest: object) -> Node:
        """Return the node of what is told of; ``rest`` are the fields that a row does not know."""
        return describe_row(row, name, base, self._owner, **rest)


def describe_row(row: Row, name: bytes, base: Node | None, owner: Owner, **rest: object) -> Node:
    """Return the node of a thing in a machine: it is the area's owner's, and its set-id bits are gone.

    An overlay hides the attributes of what is below it, so those that were there before stay.
    """
    kind, format_ = _TYPES[row.kind]
    mtime = format_time(row.mtime_ns)
    mine = owner.node
    if row.kind == "l":
        rest.update(_target(row.target.encode("latin-1")))
    return Node(
        name=quote_name(name),
        type=kind,
        mode=from_stat(format_ | row.permissions & _KEPT_MODE[row.kind]),
        mtime=mtime,
        atime=mtime,
        ctime=format_time(row.ctime_ns),
        uid=mine.uid,
        gid=mine.gid,
        user=mine.user,
        group=mine.group,
        inode=row.inode,
        device_id=owner.device if row.links > 1 and row.kind in "fl" else 0,
        links=row.links if row.kind in "fl" else 0,
        extended_attributes=_attributes(row, base if base is not None and base.type == kind else None),
        **rest,  # type: ignore[arg-type]  # the caller knows the fields
    )


def is_same(node: Node, row: Row) -> bool:
    """Tell whether a node that was captured from the same machine still describes a file."""
    return (
        node.type == "file"
        and (node.inode, node.size) == (row.inode, row.size)
        and (node.ctime, node.mtime) == (format_time(row.ctime_ns), format_time(row.mtime_ns))
    )


def looks_same(node: Node, row: Row) -> bool:
    """Tell whether a file looks like the one that it was copied from, by size, time and permissions."""
    return (
        node.type == "file"
        and node.size == row.size
        and keeps_time(node, row)
        and node.st_mode & 0o777 == row.permissions & 0o777
    )


def keeps_time(node: Node, row: Row) -> bool:
    """Tell whether a time is the one of before, which a disk for machines keeps in whole seconds."""
    mtime_ns = node.mtime_ns
    return row.mtime_ns in (mtime_ns, mtime_ns // _SECOND * _SECOND)


def _target(target: bytes) -> dict[str, object]:
    try:
        return {"linktarget": target.decode()}
    except UnicodeDecodeError:
        return {"linktarget": target.decode("utf-8", "replace"), "linktarget_raw": target}


def _attributes(row: Row, base: Node | None) -> list[ExtendedAttribute] | None:
    told = {
        name: value
        for name, value in row.attributes.items()
        if name.startswith("user.") and name.isprintable()
    }
    found = [ExtendedAttribute(name=name, value=value) for name, value in sorted(told.items())]
    before = base.extended_attributes if base else None
    kept = [each for each in before or () if each.name not in told and not _is_access_list(each.name)]
    if base is not None and base.st_mode & 0o777 == row.permissions & 0o777:
        kept = [each for each in before or () if each.name not in told]
    return [*kept, *found] or None


def _is_access_list(name: str) -> bool:
    return name.startswith("system.posix_acl_")
