"""Lay a snapshot out: a tree in a repository becomes a folder.

    <parent>/.vml-<random>/...    written here, then renamed
    <parent>/<target>             appears whole, or not at all

The target is new or an empty folder. Every path is opened below the staging folder's descriptor with
O_NOFOLLOW and made with O_EXCL, and names were looked through before (``plan``), so nothing is written
outside. Devices are not made, and set-user-id bits are not set: nobody's working area needs them.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.errors import BadArea, DiskFull, WouldOverwrite
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node
from vml_jupyter.snapshot.place import Places
from vml_jupyter.snapshot.plan import Source, Total, plan

_WRITERS = 4
_BATCH_FILES = 32
_AHEAD = 64
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MARGIN_BYTES = 16 << 20


@dataclass(frozen=True)
class Laid:
    """What was written."""

    files: int
    bytes: int


def lay(repository: Source, tree: str, target: Path, progress: Progress = SILENT) -> Laid:
    """Write the snapshot ``tree`` as the folder ``target``.

    Args:
        repository: Where tree and content are read.
        tree: Id of the area's tree.
        target: A folder that does not exist yet or is empty.
        progress: Told the bytes done and the total.

    Raises:
        WouldOverwrite: ``target`` holds something.
        BadArea: ``target`` cannot be written.
        DiskFull: There is no room for it.
        Foreign: The snapshot is not sound.
        LogbookDamaged: A part of it is missing or altered.
        Cancelled: The user ended it. In all these cases nothing is left behind.
    """
    total = plan(repository, tree)
    target = target.absolute()
    with _faults(target):
        _require_free(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_room(target.parent, total)
        with _staging(target) as stage:
            _Layer(repository, stage, progress, total).run(tree)
    return Laid(total.files, total.bytes)


def _require_free(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise WouldOverwrite(f"{target} exists and is no folder", "Choose another place")
    if target.is_dir() and any(target.iterdir()):
        raise WouldOverwrite(f"{target} is not empty", "Choose a new folder, or empty this one")


def _require_room(folder: Path, total: Total) -> None:
    """Refuse early what cannot fit; file systems that do not say how many files fit say 0."""
    room = os.statvfs(folder)
    if total.bytes + _MARGIN_BYTES > room.f_bavail * room.f_frsize:
        free = room.f_bavail * room.f_frsize // 1_000_000
        raise DiskFull(
            f"the snapshot needs {total.bytes // 1_000_000} MB and {folder} has {free} MB left",
            "Free space there, or choose another place",
        )
    if room.f_files and total.nodes > room.f_favail:
        raise DiskFull(f"{folder} has no room for {total.nodes} files", "Choose another file system")


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """Give a folder beside ``target`` that takes its name on success and vanishes on failure."""
    stage = target.with_name(f".vml-{secrets.token_hex(6)}")
    stage.mkdir()
    try:
        yield stage
        _give_name(stage, target)
    except BaseException:
        _remove(stage)
        raise


def _give_name(stage: Path, target: Path) -> None:
    try:
        stage.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise WouldOverwrite(
                f"{target} was made by somebody meanwhile", "Choose another place"
            ) from error
        raise


def _remove(stage: Path) -> None:
    """Remove what was made so far, folders without write permission included."""
    for folder, subfolders, _ in os.walk(stage):
        for name in subfolders:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(stat.S_IRWXU)
    shutil.rmtree(stage)


@contextmanager
def _faults(target: Path) -> Iterator[None]:
    """Translate what the operating system says about the target."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"no room left for {target}", "Free space there, or choose another place"
            ) from error
        raise BadArea(f"{target} cannot be written: {error.strerror}", "Check its permissions") from error


class _Layer:
    """One run of ``lay``: folders top down, files in threads, then the folders' own modes and times bottom up."""

    def __init__(self, source: Source, stage: Path, progress: Progress, total: Total) -> None:
        self._source = source
        self._places = Places(stage, source)
        self._progress = progress
        self._total = total
        self._bytes = 0
        self._mutex = threading.Lock()
        self._links: dict[tuple[int, int, tuple[str, ...]], tuple[str, Node]] = {}
        self._later: list[tuple[str, Node]] = []
        self._skipped = 0

    def run(self, tree: str) -> None:
        folders: list[tuple[str, Node]] = []
        with self._places.open(), ThreadPoolExecutor(_WRITERS, thread_name_prefix="vml-lay") as pool:
            writing: list[Future[int]] = []
            try:
                for path, nodes in self._folders(tree, folders):
                    files = self._sort(path, nodes)
                    for start in range(0, len(files), _BATCH_FILES):
                        writing.append(pool.submit(self._write, files[start : start + _BATCH_FILES]))
                    while len(writing) > _AHEAD:
                        self._advance(writing.pop(0))
                while writing:
                    self._advance(writing.pop(0))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            self._finish(folders)

    def _folders(self, tree: str, folders: list[tuple[str, Node]]) -> Iterator[tuple[str, tuple[Node, ...]]]:
        """Make the folders, and yield each with its nodes, a folder before those in it."""
        stack = [("", tree)]
        while stack:
            path, id = stack.pop()
            nodes = self._source.tree(id)
            for node in nodes:
                if node.type == "dir" and node.subtree:
                    below = path + os.fsdecode(node.name_bytes) + "/"
                    self._places.make_folder(below)
                    folders.append((below, node))
                    stack.append((below, node.subtree))
            yield path, nodes

    def _sort(self, folder: str, nodes: tuple[Node, ...]) -> list[tuple[str, Node]]:
        """Return the files that have to be written, and keep what can only be made once they are."""
        files: list[tuple[str, Node]] = []
        for node in nodes:
            path = folder + os.fsdecode(node.name_bytes)
            if node.type == "file":
                (self._later if self._is_second_name(path, node) else files).append((path, node))
            elif node.type in ("symlink", "fifo"):
                self._places.make_special(path, node)
            elif node.type != "dir":
                self._skipped += 1
        return files

    def _is_second_name(self, path: str, node: Node) -> bool:
        """Tell whether this is a further hard link; content is compared too, a tree may claim anything."""
        if node.links < 2 or not node.inode:
            return False
        return (
            self._links.setdefault((node.device_id, node.inode, tuple(node.content or ())), (path, node))[0]
            != path
        )

    def _write(self, files: list[tuple[str, Node]]) -> int:
        return sum(self._places.write_file(path, node) for path, node in files)

    def _advance(self, written: Future[int]) -> None:
        self._bytes += written.result()
        self._progress.advance(self._bytes, self._total.bytes, "B")

    def _finish(self, folders: list[tuple[str, Node]]) -> None:
        for path, node in self._later:
            first = self._links[node.device_id, node.inode, tuple(node.content or ())][0]
            self._places.link(first, path)
        for path, node in reversed(folders):
            self._places.finish_folder(path, node)
        if self._skipped:
            self._progress.note(f"{self._skipped} devices or sockets are in the snapshot and were not made")
