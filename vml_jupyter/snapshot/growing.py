"""Trees that are not complete yet, and the files that are read for them.

    Growing (folder) <-- nodes of its files, batch by batch
         ^-- node of each subfolder, once that one is complete

Many folders hold few files, so a batch takes the files of several.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vml_jupyter.repository import Node
from vml_jupyter.snapshot.findings import Item
from vml_jupyter.snapshot.walk import Folder

_FILES = 256
_BYTES = 2 << 20
_FOLDERS = 32


@dataclass
class Growing:
    """A folder whose tree is not complete: ``missing`` counts the files being read and the subfolders to come.

    ``node`` and ``tree`` are what the parent snapshot has of it; ``previous`` has the nodes of that tree once they
    were asked for. Of a folder that is listed as it was before, ``nodes`` has only the subfolders that changed.
    ``settled`` becomes False where something in it could not be taken as it is, so that it is looked at again.
    """

    folder: Folder
    above: Growing | None
    tree: str | None
    missing: int
    node: Node | None = None
    previous: dict[str, Node] | None = None
    nodes: list[Node] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    settled: bool = True


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
