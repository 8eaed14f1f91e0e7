"""Lay a snapshot out: a tree in a repository becomes a folder.

    <parent>/.vml-<random>/...    written here, then renamed
    <parent>/<target>             appears whole, or not at all

The target is new or an empty folder. Every path is opened below the staging folder's descriptor with
O_NOFOLLOW and made with O_EXCL, and names were looked through before (``plan``), so nothing is written
outside. Owners, devices and set-user-id bits come back where root restores, as with restic; anybody
else's files are their own. Nothing is forced to the disk: what was restored can be restored again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.snapshot.batch import WHOLE_BYTES, Batch, Small, Window, meta_of, parts_of
from vml_jupyter.snapshot.leftovers import sweep
from vml_jupyter.snapshot.place import Places
from vml_jupyter.snapshot.plan import Total, check, plan
from vml_jupyter.snapshot.stage import faults, require_free, require_room, staging
from vml_jupyter.snapshot.writers import Processes, Threads, Writers

_MUCH_FILES = 1500
_MUCH_BYTES = 64 << 20
_LARGE_AT_ONCE = 8
_Inode = tuple[str, int, int, str, tuple[str, ...]]


@dataclass(frozen=True)
class Laid:
    """What was written."""

    files: int
    bytes: int


def lay(
    repository: Repository,
    tree: str,
    target: Path,
    progress: Progress = SILENT,
    folder: Node | None = None,
    expected: tuple[int, int] = (0, 0),
) -> Laid:
    """Write the snapshot ``tree`` as the folder ``target``.

    Args:
        repository: Where tree and content are read.
        tree: Id of the area's tree.
        target: A folder that does not exist yet or is empty.
        progress: Told the bytes done and the total.
        folder: What the area itself was: mode, times, owner and attributes for ``target``; nobody else's if None.
        expected: Files and bytes that its entry says it has; processes that write so much start meanwhile, and a tree
            of far more files is refused.

    Raises:
        WouldOverwrite: ``target`` holds something.
        BadArea: ``target`` cannot be written.
        DiskFull: There is no room for it.
        Foreign: The snapshot is not sound.
        LogbookDamaged: A part of it is missing or altered.
        Cancelled: The user ended it. In all these cases nothing is left behind.
    """
    target = target.absolute()
    with faults(target):
        require_free(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if removed := sweep(target.parent):
            progress.note(f"removed what restores that were killed had left in {target.parent}: {removed}")
        with staging(target) as root, ExitStack() as ending:
            places = Places(root)
            writers = ending.enter_context(_writers(repository, root, places, *expected))
            total = plan(repository, tree, expected[0])
            if folder is not None:
                check(folder)
            require_room(target.parent, total)
            if isinstance(writers, Threads):  # there may be more to do than was expected
                writers = ending.enter_context(_writers(repository, root, places, total.files, total.bytes))
            _Layer(repository, places, writers, progress, total).run(tree)
            if folder is not None:
                places.finish_top(meta_of(folder))
            for what, count in sorted(places.refused.items()):
                progress.note(f"{count} {what}")
    return Laid(total.files, total.bytes)


def _writers(repository: Repository, root: int, places: Places, files: int, size_bytes: int) -> Writers:
    """Return who writes so much: starting a process takes as long as writing some thousand files."""
    threads = Threads(repository, places)
    hand = repository.hand()
    much = files >= _MUCH_FILES or size_bytes >= _MUCH_BYTES
    if hand is None or not much or not sys.executable:
        return threads
    try:
        return Processes(hand, root, threads)
    except OSError:  # no process can be started here and now: threads do it as well, if slower
        return threads


class _Folder:
    """A folder on the way down; its path is made when it is needed, for deep ones are long."""

    __slots__ = ("above", "name", "node")

    def __init__(self, above: _Folder | None, name: bytes, node: Node | None) -> None:
        self.above = above
        self.name = name
        self.node = node

    @property
    def path(self) -> bytes:
        names: list[bytes] = []
        folder: _Folder | None = self
        while folder is not None and folder.above is not None:
            names.append(folder.name)
            folder = folder.above
        return b"/".join(reversed(names))


class _Layer:
    """One run of ``lay``: folders top down, files by the writers, then the folders' own modes and times bottom up."""

    def __init__(
        self, repository: Repository, places: Places, writers: Writers, progress: Progress, total: Total
    ) -> None:
        self._repository = repository
        self._places = places
        self._writers = writers
        self._progress = progress
        self._total = total
        self._window = Window()
        self._parts: list[Iterator[Batch]] = []
        self._first_names: dict[_Inode, tuple[_Folder, bytes]] = {}
        self._links: list[tuple[tuple[_Folder, bytes], tuple[_Folder, bytes]]] = []
        self._folders: list[_Folder] = []
        self._large: list[tuple[_Folder, bytes, Node]] = []

    def run(self, tree: str) -> None:
        top = _Folder(None, b"", None)
        stack = [(top, tree)]
        while stack:
            folder, id = stack.pop()
            stack.extend(reversed(self._make(folder, self._repository.tree(id))))
        self._submit_window()
        self._submit_parts()
        self._writers.finish()
        self._advance()
        self._finish()

    def _make(self, folder: _Folder, nodes: tuple[Node, ...]) -> list[tuple[_Folder, str]]:
        """Make what is in a folder, and return its subfolders with their trees."""
        below: list[tuple[_Folder, str]] = []
        path = folder.path
        with self._places.folder(path) as descriptor:
            for node in nodes:
                name = node.name_bytes
                if node.type == "dir" and node.subtree:
                    os.mkdir(name, 0o700, dir_fd=descriptor)
                    self._folders.append(_Folder(folder, name, node))
                    below.append((self._folders[-1], node.subtree))
                elif not self._is_second_name(folder, name, node):
                    if node.type == "file":
                        self._make_file(folder, descriptor, path, name, node)
                    else:
                        self._places.make_special(descriptor, node)
        return below

    def _is_second_name(self, folder: _Folder, name: bytes, node: Node) -> bool:
        """Keep for the end what is another name of something that is made already."""
        if node.links < 2 or not node.inode:
            return False
        first = self._first_names.setdefault(_inode(node), (folder, name))
        if first == (folder, name):
            return False
        self._links.append((first, (folder, name)))
        return True

    def _make_file(self, folder: _Folder, descriptor: int, path: bytes, name: bytes, node: Node) -> None:
        places = [self._repository.place(id) for id in node.content or ()]
        size_bytes = sum(blob.plain_length for _, blob in places)
        if size_bytes > WHOLE_BYTES:
            self._places.make_large(descriptor, name, size_bytes)
            self._large.append((folder, name, node))
            self._parts.append(parts_of(path, name, places))
            if len(self._parts) >= _LARGE_AT_ONCE:
                self._submit_parts()
            return
        self._window.add(Small(path, name, places, size_bytes, meta_of(node)))
        if self._window.is_full:
            self._submit_window()

    def _submit_window(self) -> None:
        for batch in self._window.batches():
            self._submit(batch)

    def _submit_parts(self) -> None:
        """Submit large files in turns: two processes that write to one file wait for each other."""
        for batches in zip_longest(*self._parts):
            for batch in filter(None, batches):
                self._submit(batch)
        self._parts.clear()

    def _submit(self, batch: Batch) -> None:
        self._writers.submit(batch)
        self._advance()

    def _advance(self) -> None:
        self._progress.advance(self._writers.done, self._total.bytes, "B")

    def _finish(self) -> None:
        for folder, name, node in self._large:
            with self._places.folder(folder.path) as descriptor:
                self._places.finish(descriptor, name, meta_of(node))
        for (first, name), (second, other) in self._links:
            with self._places.folder(first.path) as source, self._places.folder(second.path) as target:
                os.link(name, other, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        for folder in reversed(self._folders):
            assert folder.above is not None, "all but the top lie in one"
            assert folder.node is not None, "and have a node"
            with self._places.folder(folder.above.path) as descriptor:
                self._places.finish(descriptor, folder.name, meta_of(folder.node), is_folder=True)


def _inode(node: Node) -> _Inode:
    """Return what two names of one file have in common; content too, for a tree may claim anything."""
    return node.type, node.device_id, node.inode, node.linktarget, tuple(node.content or ())
