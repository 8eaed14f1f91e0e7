"""Lay a whole tree out on a disk that does not exist: every byte that is not in a file.

    | descriptors | path tables | root | folders of level 1 | level 2 | ... || data area: files in the same order |
      `------------------------- metadata: computed here ------------------'

Folders come level by level, as path tables want them, and a folder's blocks are known the moment it is written. Where
the data area begins is known only at the end, so files are first placed relative to it and then moved all together.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vml_jupyter.errors import Foreign
from vml_jupyter.repository.node import Node
from vml_jupyter.snapshot.image import directory, nodes, susp, volume
from vml_jupyter.snapshot.image.directory import Directory
from vml_jupyter.snapshot.image.extents import Extents
from vml_jupyter.snapshot.image.measure import measure, subtree
from vml_jupyter.snapshot.image.numbers import BLOCK_BYTES, MAX_BLOCKS, MAX_SECTION_BYTES, both32
from vml_jupyter.snapshot.image.source import Source

VERSION = 1
"""Part of every etag: raise it when the same tree comes to be laid out in other bytes."""
_NOTHING = both32(0)
_MAX_CLIPPED = 100
_SHORT_NAME = 100


@dataclass(frozen=True)
class Owner:
    """Who owns everything on the disk; None keeps what the tree says."""

    uid: int | None = None
    gid: int | None = None


@dataclass(slots=True)
class _Folder:
    tree: str
    parent: int
    identifier: bytes
    record_at: int
    stamp: bytes
    entries: bytes
    block: int = 0
    size: int = 0


class Laid(Protocol):
    """What an image needs of a layout, computed now or kept from before."""

    @property
    def metadata(self) -> bytes | bytearray: ...
    @property
    def extents(self) -> Extents: ...
    @property
    def blocks(self) -> int: ...
    @property
    def files(self) -> int: ...
    @property
    def clipped(self) -> Sequence[bytes]: ...


@dataclass
class Layout:
    """Build the layout of ``tree``; afterwards it is only read.

    Attributes:
        metadata: All bytes before the data area.
        extents: What lies in the data area.
        files: How many nodes there are that are no folders.
        clipped: Names (at most 100) that Linux shows cut, because they are longer than 253 bytes.

    Raises:
        Foreign: The trees break their format, or hold more than an image can.
    """

    source: Source
    tree: str
    root: Node
    owner: Owner
    metadata: bytearray = field(default_factory=bytearray)
    extents: Extents = field(default_factory=Extents)
    files: int = 0
    clipped: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tallies = measure(self.source, self.tree)
        self._hard: dict[tuple[int, int], tuple[int, int, Node]] = {}
        self._serial = 0
        stamp = nodes.stamp(self.root.mtime)
        entries = self._base(self.root, stamp, 2 + self._tallies[self.tree].children)
        self._folders = [_Folder(self.tree, 0, b"\0", 0, stamp, entries)]
        self._file_records, self._file_blocks = array("Q"), array("Q")
        self._build()
        del self._tallies, self._folders, self._hard, self._file_records, self._file_blocks

    @property
    def blocks(self) -> int:
        return len(self.metadata) // BLOCK_BYTES + self.extents.blocks

    def _build(self) -> None:
        total = self._tallies[self.tree].folders
        self.metadata += bytes(volume.first_folder(total) * BLOCK_BYTES)
        for number, folder in enumerate(self._folders):  # grows while it is walked
            self._lay_folder(number, folder)
        self._move_files(len(self.metadata) // BLOCK_BYTES)
        rows = [(folder.identifier, folder.block, folder.parent + 1) for folder in self._folders]
        root = self._folders[0]
        front = volume.descriptors(self.tree, self.blocks, total, (root.block, root.size), root.stamp)
        front += volume.path_table(rows, "<") + volume.path_table(rows, ">")
        self.metadata[: len(front)] = front

    def _lay_folder(self, number: int, folder: _Folder) -> None:
        base = len(self.metadata)
        folder.block = base // BLOCK_BYTES
        parent = self._folders[folder.parent]
        own = [folder.entries] if number else [susp.SHARING, folder.entries, susp.extension()]
        writer = Directory(folder.block, folder.stamp, own, [parent.entries])
        children = self.source.tree(folder.tree)
        names = set()
        for index, node in enumerate(children):
            name = nodes.file_name(node)
            names.add(name)
            if node.type == "dir":
                self._add_folder(writer, base, number, index, node, name)
            elif node.type == "file":
                self._add_file(writer, base, index, node, name)
            else:
                self._add_special(writer, index, node, name)
        if len(names) != len(children):
            raise Foreign(f"the tree {folder.tree[:16]} names two files alike")
        blocks, folder.size = writer.close((parent.block, parent.size) if number else None)
        self.metadata += blocks
        if number:
            directory.locate(self.metadata, folder.record_at, folder.block, folder.size)
        if len(self.metadata) > MAX_BLOCKS * BLOCK_BYTES:
            raise Foreign("the folders alone are larger than a disk image can be")

    def _add_folder(
        self, writer: Directory, base: int, number: int, index: int, node: Node, name: bytes
    ) -> None:
        identifier, tree = directory.folder_identifier(index), subtree(node)
        stamp = nodes.stamp(node.mtime)
        base_entries = self._base(node, stamp, 2 + self._tallies[tree].children)
        entries = self._named(base_entries, name)
        at = writer.append(identifier, directory.FOLDER, _NOTHING, _NOTHING, stamp, entries)
        self._folders.append(_Folder(tree, number, identifier, base + at, stamp, base_entries))

    def _add_file(self, writer: Directory, base: int, index: int, node: Node, name: bytes) -> None:
        self.files += 1
        block, serial = self._place(node)
        stamp = nodes.stamp(node.mtime)
        entries = self._named(self._base(node, stamp, node.links or 1, serial), name)
        identifier = directory.file_identifier(index)
        left = node.size
        while True:
            size = min(left, MAX_SECTION_BYTES)
            left -= size
            flags = directory.MORE_SECTIONS if left else 0
            at = base + writer.append(identifier, flags, _NOTHING, both32(size), stamp, entries)
            if size:
                self._file_records.append(at)
                self._file_blocks.append(block)
            if not left:
                return
            block += size // BLOCK_BYTES

    def _place(self, node: Node) -> tuple[int, int]:
        """Return first block and serial number of a file; the second name of a file gets those of the first."""
        if node.links > 1:
            first = self._hard.get((node.device_id, node.inode))
            if first and first[2].size == node.size and first[2].content == node.content:
                return first[:2]
        self._serial += 1
        block = self.extents.add(node.size, node.content, node.name) if node.size or node.content else 0
        if node.links > 1:
            self._hard[node.device_id, node.inode] = (block, self._serial, node)
        return block, self._serial

    def _add_special(self, writer: Directory, index: int, node: Node, name: bytes) -> None:
        self.files += 1
        stamp = nodes.stamp(node.mtime)
        entries = self._named(self._base(node, stamp, node.links or 1), name)
        if node.type == "symlink":
            entries += susp.link(nodes.link_target(node))
        elif node.type in ("dev", "chardev"):
            entries.append(susp.device(*nodes.device_numbers(node)))
        identifier = directory.file_identifier(index)
        writer.append(identifier, 0, _NOTHING, _NOTHING, stamp, entries)

    def _named(self, base: bytes, name: bytes) -> list[bytes]:
        """Return entries with the name: one piece where that surely leaves room for a reference behind it."""
        if len(name) <= _SHORT_NAME:
            return [base + susp.short_name(name)]
        if susp.clipped(name) and len(self.clipped) < _MAX_CLIPPED:
            self.clipped.append(name)
        return [base, *susp.long_name(name)]

    def _base(self, node: Node, modified: bytes, links: int, serial: int = 0) -> bytes:
        if not serial:
            self._serial += 1
            serial = self._serial
        uid, gid = self.owner.uid, self.owner.gid
        owner = susp.ownership(
            nodes.posix_mode(node.type, node.mode),
            links,
            node.uid if uid is None else uid,
            node.gid if gid is None else gid,
        )
        accessed = modified if node.atime == node.mtime else nodes.stamp(node.atime)
        changed = modified if node.ctime == node.mtime else nodes.stamp(node.ctime)
        return owner + both32(serial) + susp.times(modified, accessed, changed)

    def _move_files(self, start: int) -> None:
        metadata = self.metadata
        for at, block in zip(self._file_records, self._file_blocks, strict=True):
            metadata[at + 2 : at + 10] = both32(start + block)
