"""Trees that are not complete yet, and the files that are read for them.

    Growing (folder) <-- nodes of its files, batch by batch
         ^-- node of each subfolder, once that one is complete

Many folders hold few files, so a batch takes the files of several.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vml_jupyter.repository import Node
from vml_jupyter.snapshot.content import Read
from vml_jupyter.snapshot.findings import Item
from vml_jupyter.snapshot.walk import Folder

_FILES = 256
_BYTES = 2 << 20
_FOLDERS = 32


@dataclass
class Growing:
    """A folder whose tree is not complete: ``missing`` counts the files being read and the subfolders to come.

    ``node`` and ``tree`` are what the parent snapshot has of it; ``previous`` has the nodes of that tree once they
    were asked for. ``nodes`` are names and JSON, as ``join_tree`` takes them; of a folder that is listed as it was
    before, only those of the subfolders that changed.
    ``settled`` becomes False where something in it could not be taken as it is, so that it is looked at again.
    """

    folder: Folder
    above: Growing | None
    tree: str | None
    missing: int
    node: Node | None = None
    previous: dict[str, Node] | None = None
    nodes: list[tuple[bytes, bytes]] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    settled: bool = True


@dataclass
class Part:
    """What a batch has of one folder."""

    grown: Growing
    items: list[Item] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)


@dataclass
class Batch:
    """Things to be looked at together, folder by folder; every folder is an open descriptor, kept open until then.

    ``is_plain`` tells that all were files when they were listed.
    """

    is_plain: bool = True
    parts: list[Part] = field(default_factory=list)
    files: int = 0
    bytes: int = 0

    def add(self, grown: Growing, item: Item) -> None:
        if not self.parts or self.parts[-1].grown is not grown:
            grown.folder.opened.pin()
            self.parts.append(Part(grown))
        part = self.parts[-1]
        part.items.append(item)
        part.names.append(os.fsencode(item.name))
        self.files += 1
        self.bytes += item.status.st_size

    @property
    def is_full(self) -> bool:
        return self.files >= _FILES or self.bytes >= _BYTES or len(self.parts) >= _FOLDERS

    def done(self, reads: Sequence[Read]) -> Iterator[tuple[Part, Sequence[Read]]]:
        """Yield each part with what became of it, and let go of its folder."""
        begin = 0
        for part in self.parts:
            part.grown.folder.opened.unpin()
            end = begin + len(part.names)
            yield part, reads[begin:end]
            begin = end
