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
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.errors import BadArea, DiskFull, WouldOverwrite
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.turn import turn
from vml_jupyter.snapshot.place import Places
from vml_jupyter.snapshot.plan import Total, plan

_WRITERS = 4
_BATCH_FILES = 64
_BATCH_BYTES = 2 << 20
_AHEAD = 16
_FULL = (errno.ENOSPC, errno.EDQUOT)
_MARGIN_BYTES = 16 << 20
_Inode = tuple[int, int, tuple[str, ...]]


@dataclass(frozen=True)
class Laid:
    """What was written."""

    files: int
    bytes: int


def lay(repository: Repository, tree: str, target: Path, progress: Progress = SILENT) -> Laid:
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

    def __init__(self, repository: Repository, stage: Path, progress: Progress, total: Total) -> None:
        self._repository = repository
        self._places = Places(stage)
        self._progress = progress
        self._total = total
        self._bytes = 0
        self._first_names: dict[_Inode, str] = {}
        self._links: list[tuple[str, str]] = []
        self._folders: list[tuple[str, Node]] = []
        self._writing: deque[Future[int]] = deque()
        self._batch: list[tuple[str, Node]] = []
        self._batch_bytes = 0
        self._skipped = 0

    def run(self, tree: str) -> None:
        with self._places.open(), ThreadPoolExecutor(_WRITERS, thread_name_prefix="vml-lay") as pool:
            try:
                for path, nodes in self._make_folders(tree):
                    with turn():
                        self._begin(path, nodes, pool)
                    self._await(_AHEAD)
                self._submit(pool)
                self._await(0)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            self._finish()

    def _make_folders(self, tree: str) -> Iterator[tuple[str, tuple[Node, ...]]]:
        """Make the folders, and yield each with its nodes, a folder before those in it."""
        stack = [("", tree)]
        while stack:
            path, id = stack.pop()
            nodes = self._repository.tree(id)
            below: list[tuple[str, str]] = []
            for node in nodes:
                if node.type == "dir" and node.subtree:
                    name = path + os.fsdecode(node.name_bytes) + "/"
                    self._places.make_folder(name)
                    self._folders.append((name, node))
                    below.append((name, node.subtree))
            stack.extend(reversed(below))
            yield path, nodes

    def _begin(self, folder: str, nodes: tuple[Node, ...], pool: ThreadPoolExecutor) -> None:
        """Have a folder's files written, make its links, and keep for the end what needs the files."""
        for node in nodes:
            path = folder + os.fsdecode(node.name_bytes)
            if node.type == "file":
                self._begin_file(path, node, pool)
            elif node.type in ("symlink", "fifo"):
                self._places.make_special(path, node)
            elif node.type != "dir":
                self._skipped += 1

    def _begin_file(self, path: str, node: Node, pool: ThreadPoolExecutor) -> None:
        first = self._first_names.setdefault(_inode(node), path) if node.links > 1 and node.inode else path
        if first != path:
            self._links.append((first, path))
        elif len(node.content or ()) > 1:
            self._writing.append(pool.submit(self._write_large, path, node))
        else:
            self._batch.append((path, node))
            self._batch_bytes += sum(map(self._repository.blob_size, node.content or ()))
            if len(self._batch) >= _BATCH_FILES or self._batch_bytes >= _BATCH_BYTES:
                self._submit(pool)

    def _submit(self, pool: ThreadPoolExecutor) -> None:
        self._writing.append(pool.submit(self._write_small, self._batch))
        self._batch, self._batch_bytes = [], 0

    def _write_small(self, files: list[tuple[str, Node]]) -> int:
        """Write files of one piece at most, in a writer thread: read together, then written in one turn."""
        ids = [id for _, node in files for id in node.content or ()]
        blobs = dict(zip(ids, self._repository.blobs(ids), strict=True))
        with turn():
            return sum(
                self._places.write_file(path, node, (blobs[id] for id in node.content or ()))
                for path, node in files
            )

    def _write_large(self, path: str, node: Node) -> int:
        return self._places.write_file(path, node, map(self._repository.blob, node.content or ()))

    def _await(self, ahead: int) -> None:
        """Wait until no more than ``ahead`` batches are being written."""
        while len(self._writing) > ahead:
            self._bytes += self._writing.popleft().result()
            self._progress.advance(self._bytes, self._total.bytes, "B")

    def _finish(self) -> None:
        for first, path in self._links:
            self._places.link(first, path)
        for path, node in reversed(self._folders):
            self._places.finish_folder(path, node)
        if self._skipped:
            self._progress.note(f"{self._skipped} devices or sockets are in the snapshot and were not made")


def _inode(node: Node) -> _Inode:
    """Return what two names of one file have in common; content too, for a tree may claim anything."""
    return node.device_id, node.inode, tuple(node.content or ())
