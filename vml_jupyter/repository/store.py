"""Where a repository's files lie: eight verbs, and the twin for a local folder.

    <folder>/config                          names as the format has them
    <folder>/data/21/2159dd48...             packs, fanned out by the first two digits
    <folder>/{index,keys,locks,snapshots}/<id>
    <folder>/tmp/<space>.<process>.<random>  being written; a crash leaves it, whoever writes next removes it

A file appears under its name whole and on the disk, or not at all: written under ``tmp/``, fsync,
renamed, the folder fsynced. (obstore's LocalStore renames, but does not fsync, so a power cut may leave
an index that names packs of zeros.)
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from vml_jupyter.errors import DiskFull, StoreUnreachable
from vml_jupyter.replacing import link, sync, sync_folder
from vml_jupyter.repository import disk
from vml_jupyter.repository.identity import process_space

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Store(Protocol):
    """Files by name. ``label`` says to people where it is; a missing file raises FileNotFoundError.

    Every verb may raise ``StoreUnreachable``; ``put`` may raise ``DiskFull``.
    """

    label: str
    is_remote: bool

    def get(self, name: str) -> bytes: ...

    def get_range(self, name: str, offset: int, length: int) -> bytes: ...

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        """Write a file, atomically and durably. Files are never changed, so a second time does no harm."""

    def create(self, name: str, content: bytes) -> None:
        """Write a file as ``put`` would, unless it is there: of several who do so at once, one succeeds.

        Raises:
            FileExistsError: It is there, and stays as it is.
        """

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of the files below ``folder``, without the folders they lie in."""

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield what ``list`` yields, each name with the bytes of its file."""

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        """Yield what ``list`` yields, each name with the seconds at which it was stored, by the store's own clock."""

    def delete(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""


class LocalFolder:
    """A Store in a folder of this computer, or of a file server that is mounted."""

    is_remote = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.label = str(folder)
        self._made: set[Path] = set()

    def get(self, name: str) -> bytes:
        with self._faults():
            return (self.folder / name).read_bytes()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        with self._faults():
            descriptor = os.open(f"{self.label}/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        with self._faults(), self._written(name, pieces) as temporary:
            temporary.rename(self.folder / name)

    def create(self, name: str, content: bytes) -> None:
        is_there = False
        with self._faults(), self._written(name, [content]) as temporary:
            try:
                link(temporary, self.folder / name)
            except FileExistsError:
                is_there = True
            temporary.unlink(missing_ok=True)
        if is_there:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{self.label}/{name}")

    @contextmanager
    def _written(self, name: str, pieces: Sequence[bytes]) -> Iterator[Path]:
        """Give a finished file to be moved into its place, and see to it that it stays there."""
        target = self.folder / name
        self._make_folder(self.folder / "tmp")
        self._make_folder(target.parent)
        temporary = self.folder / "tmp" / f"{process_space()}.{os.getpid()}.{secrets.token_hex(8)}"
        lasts = _lasts(name)
        try:
            disk.write(temporary, pieces, 0o600 | self._shared_bits(0o060), lasts=lasts)
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if lasts:
            sync_folder(target.parent)

    def desk(self) -> Path:
        """Return the folder in which a file may be made that ``adopt`` then takes; see ``tmp`` above."""
        with self._faults():
            self._make_folder(self.folder / "tmp")
        return self.folder / "tmp"

    def adopt(self, name: str, file: Path) -> None:
        """Give a finished file from the desk its name, as durably as ``put`` would."""
        with self._faults():
            target = self.folder / name
            self._make_folder(target.parent)
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                disk.set_mode(descriptor, 0o600 | self._shared_bits(0o060))
                sync(descriptor)
            finally:
                os.close(descriptor)
            file.rename(target)
            sync_folder(target.parent)

    def list(self, folder: str) -> Iterator[str]:
        with self._faults():
            for _, _, files in os.walk(self.folder / folder):
                yield from files

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._faults():
            for path, _, files in os.walk(self.folder / folder):
                for name in files:
                    with suppress(FileNotFoundError):  # removed since it was listed
                        yield name, os.stat(f"{path}/{name}").st_size  # noqa: PTH116 - 30,000 packs are many Paths

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        with self._faults():
            for path, _, files in os.walk(self.folder / folder):
                for name in files:
                    with suppress(FileNotFoundError):
                        yield name, os.stat(f"{path}/{name}").st_mtime  # noqa: PTH116 - as above

    def delete(self, name: str) -> None:
        with self._faults():
            path = self.folder / name
            path.unlink(missing_ok=True)
            if _lasts(name) and path.parent.is_dir():
                sync_folder(path.parent)

    def _shared_bits(self, mask: int) -> int:
        """A group that may write in the folder may use what is in it; nobody else."""
        mode = self.folder.stat().st_mode
        return mode & mask if mode & stat.S_IWGRP else 0

    def _make_folder(self, folder: Path) -> None:
        """Make a folder of the repository; once seen, never asked for again."""
        if folder in self._made:
            return
        if not folder.is_dir():
            if folder != self.folder:
                self._make_folder(folder.parent)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(folder.stat().st_mode | self._shared_bits(0o070))
            sync_folder(folder.parent)
        elif folder.name == "tmp":
            disk.remove_stale(folder)
        self._made.add(folder)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Translate what the operating system says, but for a missing file."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(error.errno, error.strerror, error.filename) from error
        except OSError as error:
            if error.errno in _FULL:
                raise DiskFull(f"no room left in {self.label}", "Free space there, then try again") from error
            raise StoreUnreachable(
                f"{self.label} cannot be used: {error.strerror}",
                "Check that the folder is mounted and that you may read and write in it",
            ) from error


def _lasts(name: str) -> bool:
    """Tell whether a file must survive a power cut; no program that holds a lock does."""
    return not name.startswith("locks/")
