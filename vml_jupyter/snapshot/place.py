"""Make one thing of a snapshot: a file, folder, link or pipe, with its mode, times and attributes.

Paths are relative to the staging folder, whose folders nobody but us makes, and are opened below its
descriptor without following links. Owners are set by root alone; extended attributes are those that
users may set (``user.*``), where the file system has them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vml_jupyter.repository import Node
from vml_jupyter.repository.cipher import Buffer

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLE_BYTES = 64 << 10


class Places:
    """The staging folder, and how things get into it."""

    def __init__(self, stage: Path) -> None:
        self._stage = stage
        self._root = -1
        self._is_root = os.geteuid() == 0

    @contextmanager
    def open(self) -> Iterator[None]:
        self._root = os.open(self._stage, _FOLDER)
        try:
            yield
        finally:
            os.close(self._root)

    def make_folder(self, path: str) -> None:
        os.mkdir(path, 0o700, dir_fd=self._root)

    def finish_folder(self, path: str, node: Node) -> None:
        """Give a folder its own mode and times, once all that is in it is there."""
        descriptor = os.open(path, _FOLDER, dir_fd=self._root)
        try:
            self._set_owner(descriptor, node)
            _set_attributes(descriptor, node)
            os.fchmod(descriptor, node.st_mode & 0o3777)
            os.utime(descriptor, ns=(node.mtime_ns, node.mtime_ns))
        finally:
            os.close(descriptor)

    def write_file(self, path: str, node: Node, pieces: Iterable[Buffer]) -> int:
        """Write a file and return its bytes."""
        descriptor = os.open(path, _CREATE, 0o600, dir_fd=self._root)
        try:
            size = sum(_write(descriptor, piece) for piece in pieces)
            self._set_owner(descriptor, node)
            _set_attributes(descriptor, node)
            os.fchmod(descriptor, node.st_mode & 0o1777)
            os.utime(descriptor, ns=(node.mtime_ns, node.mtime_ns))
            return size
        finally:
            os.close(descriptor)

    def make_special(self, path: str, node: Node) -> None:
        """Make a symbolic link or a named pipe."""
        if node.type == "symlink":
            os.symlink(node.target_bytes, os.fsencode(path), dir_fd=self._root)
        else:
            os.mkfifo(path, stat.S_IMODE(node.st_mode) & 0o777, dir_fd=self._root)
        if self._is_root:
            with suppress(PermissionError):
                os.chown(path, node.uid, node.gid, dir_fd=self._root, follow_symlinks=False)
        os.utime(path, ns=(node.mtime_ns, node.mtime_ns), dir_fd=self._root, follow_symlinks=False)

    def link(self, first: str, path: str) -> None:
        """Give the file ``first`` a second name."""
        os.link(first, path, src_dir_fd=self._root, dst_dir_fd=self._root, follow_symlinks=False)

    def _set_owner(self, descriptor: int, node: Node) -> None:
        if self._is_root:
            with suppress(PermissionError):  # root of a container may not give files to everybody
                os.fchown(descriptor, node.uid, node.gid)


def _write(descriptor: int, data: Buffer) -> int:
    """Write one piece; pieces of zeros become a hole, as they probably were."""
    if len(data) >= _HOLE_BYTES and not bytes(data).strip(b"\0"):
        os.ftruncate(descriptor, os.lseek(descriptor, len(data), os.SEEK_CUR))
        return len(data)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(data)


def _set_attributes(descriptor: int, node: Node) -> None:
    for attribute in node.extended_attributes or ():
        if attribute.name.startswith("user."):
            with suppress(OSError):
                os.setxattr(descriptor, attribute.name, attribute.value or b"")
