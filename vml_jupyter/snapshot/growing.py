"""Trees that are not complete yet, and the files that are read for them.

    Growing (folder) <-- nodes of its files, batch by batch
         ^-- node of each subfolder, once that one is complete

Many folders hold few files, so a batch takes the files of several.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vml_jupyter.repository import Node
from vml_jupyter.snapshot.walk import Folder, Item

_FILES = 64
_BYTES = 2 << 20
_FOLDERS = 32


@dataclass
class Growing:
    """A folder whose tree is not complete: ``missing`` counts the files being read and the subfolders to come.

    ``node``, ``tree`` and ``previous`` are what the parent snapshot has of it.
    """

    folder: Folder
    above: Growing | None
    node: Node | None
    tree: str | None
    previous: dict[str, Node]
    missing: int
    nodes: list[Node] = field(default_factory=list)


@dataclass
class Batch:
    """Files to be read together, each with the folder it is in; every folder is an open descriptor."""

    files: list[tuple[Growing, Item]] = field(default_factory=list)
    bytes: int = 0
    folders: int = 0

    def add(self, grown: Growing, item: Item) -> None:
        if not self.files or self.files[-1][0] is not grown:
            self.folders += 1
        self.files.append((grown, item))
        self.bytes += item.status.st_size

    @property
    def is_full(self) -> bool:
        return len(self.files) >= _FILES or self.bytes >= _BYTES or self.folders >= _FOLDERS
