"""Make things of a snapshot in the folder that is being laid out, with modes, times, owners and attributes.

Folders are opened below the staging folder's descriptor, which nobody but us fills, and names are single
names: so no link is ever followed, and no path is too long. What this user may not do (give files away, make
devices, set attributes of the system) is counted, and said at the end.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path

from vml_jupyter.repository import Node
from vml_jupyter.repository.cipher import Buffer
from vml_jupyter.snapshot.batch import Batch, Meta, Part, Whole, meta_of

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILL = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SET_IDS = stat.S_ISUID | stat.S_ISGID
_REFUSED = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP)
_LONGEST = 4000  # of a path that is opened in one go; the kernel takes 4095 bytes
_HOLE_BYTES = 64 << 10
_ZEROS = bytes(_HOLE_BYTES)
_INHERITED = ("system.posix_acl_default", "system.posix_acl_access")

OWNERS = "things could not be given to their recorded owners"
ATTRIBUTES = "extended attributes could not be set"
SET_IDS = "files were set-user-id or set-group-id and are not: only root restores that"
DEVICES = "devices were not made: only root may"
SOCKETS = "sockets are in the snapshot and were not made"


class Places:
    """The staging folder, and how things get into it.

    Args:
        root: Descriptor of the staging folder; stays the caller's.
        own_umask: This process has umask 0, so that a file can be made with its mode at once.
    """

    def __init__(self, root: int, own_umask: bool = False) -> None:
        self._root = root
        self._own_umask = own_umask
        self._is_root = os.geteuid() == 0
        status = os.fstat(root)
        self._ids = status.st_uid, status.st_gid
        self.refused: Counter[str] = Counter()

    @contextmanager
    def folder(self, path: bytes) -> Iterator[int]:
        """Give the descriptor of a folder below the staging folder; '' is that folder itself."""
        descriptor = self._open(path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def fill(self, batch: Batch, blobs: Sequence[Buffer]) -> int:
        """Write the files of ``batch``, whose blobs are ``blobs``, and return their bytes."""
        written = 0
        for position, wholes in groupby(batch.wholes, lambda whole: whole.folder):
            with self.folder(batch.folders[position]) as folder:
                written += sum(self._write_whole(folder, whole, blobs) for whole in wholes)
        for part in batch.parts:
            with self.folder(batch.folders[part.folder]) as folder:
                written += _write_part(folder, part, blobs)
        return written

    def make_large(self, folder: int, name: bytes, size_bytes: int) -> None:
        """Make a file of holes only, for parts of it to be written."""
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            os.ftruncate(descriptor, size_bytes)
        finally:
            os.close(descriptor)

    def finish(self, folder: int, name: bytes, meta: Meta, *, is_folder: bool = False) -> None:
        """Give a large file, or a folder, what it is besides its content, once that is there."""
        descriptor = os.open(name, _FOLDER if is_folder else _FILL, dir_fd=folder)
        try:
            self._finish(descriptor, meta, has_mode=False, is_folder=is_folder)
        finally:
            os.close(descriptor)

    def finish_top(self, meta: Meta) -> None:
        """Give the staging folder itself what it is; the last thing, as it may forbid to write in it."""
        self._finish(self._root, meta, has_mode=False, is_folder=True)

    def make_special(self, folder: int, node: Node) -> None:
        """Make a symbolic link, a named pipe or a device; nothing of it is opened."""
        name, meta = node.name_bytes, meta_of(node)
        if node.type == "symlink":
            os.symlink(node.target_bytes, name, dir_fd=folder)
        elif node.type == "fifo":
            os.mkfifo(name, 0o600, dir_fd=folder)
        elif node.type not in ("dev", "chardev"):
            self.refused[SOCKETS] += 1
            return
        elif not self._make_device(folder, name, node):
            return
        if self._is_root and (meta.uid, meta.gid) != self._ids:
            with self._refusable(OWNERS):
                os.chown(name, meta.uid, meta.gid, dir_fd=folder, follow_symlinks=False)
        path = b"/proc/self/fd/%d/%s" % (folder, name)
        for attribute, value in meta.attributes:
            with self._refusable(ATTRIBUTES):
                os.setxattr(path, attribute, value, follow_symlinks=False)
        if node.type != "symlink":
            os.chmod(name, meta.mode & (0o7777 if self._is_root else 0o1777), dir_fd=folder)
        os.utime(name, ns=(meta.atime_ns, meta.mtime_ns), dir_fd=folder, follow_symlinks=False)

    def _make_device(self, folder: int, name: bytes, node: Node) -> bool:
        kind = stat.S_IFBLK if node.type == "dev" else stat.S_IFCHR
        try:
            os.mknod(name, kind | 0o600, node.device, dir_fd=folder)
        except PermissionError:
            self.refused[DEVICES] += 1
            return False
        return True

    def _write_whole(self, folder: int, file: Whole, blobs: Sequence[Buffer]) -> int:
        meta = file.meta
        has_mode = self._own_umask and not meta.attributes and meta.mode < 0o1000
        descriptor = os.open(file.name, _CREATE, meta.mode if has_mode else 0o600, dir_fd=folder)
        try:
            size_bytes = _write(descriptor, 0, [blobs[position] for position in file.blobs])
            self._finish(descriptor, meta, has_mode=has_mode)
        finally:
            os.close(descriptor)
        return size_bytes

    def _finish(self, descriptor: int, meta: Meta, *, has_mode: bool, is_folder: bool = False) -> None:
        """Set the rest; the mode after owner and attributes, which take bits of it away, the times last."""
        if self._is_root and (meta.uid, meta.gid) != self._ids:
            with self._refusable(OWNERS):
                os.fchown(descriptor, meta.uid, meta.gid)
        for name, value in meta.attributes:
            with self._refusable(ATTRIBUTES):
                os.setxattr(descriptor, name, value)
        if not has_mode:
            os.fchmod(descriptor, self._permitted(meta.mode, is_folder))
        os.utime(descriptor, ns=(meta.atime_ns, meta.mtime_ns))

    def _permitted(self, mode: int, is_folder: bool) -> int:
        """Return the mode to set: a file that acts with its owner's rights would act with this user's."""
        if self._is_root or is_folder or not mode & _SET_IDS:
            return mode
        self.refused[SET_IDS] += 1
        return mode & ~_SET_IDS

    def _open(self, path: bytes) -> int:
        descriptor = os.dup(self._root) if not path else -1
        while path:
            step, path = _first_step(path)
            try:
                below = os.open(step, _FOLDER, dir_fd=self._root if descriptor < 0 else descriptor)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
            descriptor = below
        return descriptor

    @contextmanager
    def _refusable(self, what: str) -> Iterator[None]:
        """Count what this user or this file system will not do, and go on."""
        try:
            yield
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            self.refused[what] += 1


def make_stage(path: Path) -> int:
    """Make the staging folder and return its descriptor; access lists of the folder above do not reach into it."""
    path.mkdir(0o700)
    descriptor = os.open(path, _FOLDER)
    for name in _INHERITED:
        with suppress(OSError):
            os.removexattr(descriptor, name)
    os.fchmod(descriptor, 0o700)
    return descriptor


def _first_step(path: bytes) -> tuple[bytes, bytes]:
    """Split a path where its first part is short enough to be opened."""
    if len(path) <= _LONGEST:
        return path, b""
    cut = path.rindex(b"/", 0, _LONGEST)
    return path[:cut], path[cut + 1 :]


def _write_part(folder: int, part: Part, blobs: Sequence[Buffer]) -> int:
    descriptor = os.open(part.name, _FILL, dir_fd=folder)
    try:
        return _write(descriptor, part.offset, [blobs[position] for position in part.blobs])
    finally:
        os.close(descriptor)


def _write(descriptor: int, start: int, pieces: Sequence[Buffer]) -> int:
    """Write pieces one after the other, but for long stretches of zeros, which become holes."""
    offset = start
    for piece in pieces:
        if len(piece) < _HOLE_BYTES:
            _write_all(descriptor, offset, piece)
        else:
            _write_sparsely(descriptor, offset, memoryview(piece))
        offset += len(piece)
    return offset - start


def _write_sparsely(descriptor: int, offset: int, data: memoryview) -> None:
    begin = 0
    for position in range(-offset % _HOLE_BYTES, len(data) - _HOLE_BYTES + 1, _HOLE_BYTES):
        if not data[position] and data[position : position + _HOLE_BYTES] == _ZEROS:
            if begin < position:
                _write_all(descriptor, offset + begin, data[begin:position])
            begin = position + _HOLE_BYTES
    if begin < len(data):
        _write_all(descriptor, offset + begin, data[begin:])
    elif os.fstat(descriptor).st_size < offset + len(data):
        os.ftruncate(descriptor, offset + len(data))


def _write_all(descriptor: int, offset: int, data: Buffer) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
