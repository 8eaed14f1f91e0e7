"""One file that holds a repository and a few files beside it: an uncompressed tar of plain files.

    [512 bytes: name, size, checksum][content][zeros up to 512] ... [1024 bytes of zeros]

    README.txt, ...            whatever is put beside it
    repository/config          the repository; what ``tar -xf`` gives is one that restic opens
    repository/keys/<id>  repository/data/<xx>/<id>  repository/index/<id>  repository/snapshots/<id>
    repository/locks/          the only folder that is named, because restic asks for it

A repository's files are written once and in an order in which each needs those before it, so they are appended as they
come and nothing is staged.
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from vml_jupyter.errors import Foreign, of_system
from vml_jupyter.repository.archive_headers import BLOCK, LARGEST_FILE, LOCKS, NAME, members_of

TIME = 0  # the same content gives the same bytes; entries have their own times


class Archive:
    """An archive that is read, or being written; close it, or use it as a context manager.

    Attributes:
        members: Offset and length of every file in it, by name.
    """

    def __init__(self, stream: BinaryIO, label: str, members: dict[str, tuple[int, int]]) -> None:
        self.label = label
        self.members = members
        self._stream = stream
        self._mutex = threading.Lock()

    @classmethod
    def create(cls, path: Path) -> Archive:
        """Begin an archive in a new file, for its owner only.

        Raises:
            HostError: It cannot be made.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise of_system(error) from error
        archive = cls(os.fdopen(descriptor, "w+b"), str(path), {})
        folder = tarfile.TarInfo(LOCKS)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        archive._write(folder.tobuf(tarfile.USTAR_FORMAT), [])
        return archive

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Open an archive and look through all its headers.

        Raises:
            Foreign: It is none, was cut, or holds what such an archive does not.
            HostError: It cannot be read.
        """
        try:
            stream = path.open("rb")
        except OSError as error:
            raise of_system(error) from error
        try:
            return cls(stream, str(path), members_of(stream, path.name))
        except BaseException:
            stream.close()
            raise

    def add(self, name: str, pieces: Sequence[bytes], mode: int = 0o600) -> None:
        """Append a file.

        Raises:
            DiskFull, HostError: It cannot be written.
        """
        assert NAME.fullmatch(name), name
        header = tarfile.TarInfo(name)
        header.size, header.mode, header.mtime = sum(map(len, pieces)), mode, TIME
        self._write(header.tobuf(tarfile.USTAR_FORMAT), pieces, name, header.size)

    def add_file(self, name: str, source: Path) -> Iterator[int]:
        """Append a file from the disk; yields the bytes so far, and may be left.

        Raises:
            Foreign: It is too large, or changes meanwhile.
            DiskFull, HostError: It cannot be read or written.
        """
        assert NAME.fullmatch(name), name
        with self._mutex, source.open("rb") as stream:
            header = tarfile.TarInfo(name)
            header.size, header.mode, header.mtime = os.fstat(stream.fileno()).st_size, 0o600, TIME
            if header.size > LARGEST_FILE:
                raise Foreign(f"{source} has {header.size} bytes, and 8 GiB fit", "Leave the release out")
            offset = self._append([header.tobuf(tarfile.USTAR_FORMAT)]) + BLOCK
            done = 0
            while piece := stream.read(min(4 << 20, header.size - done)):
                self._append([piece])
                done += len(piece)
                yield done
            if done != header.size:
                raise Foreign(f"{source} became shorter while it was read", "Try again")
            self._append([bytes(-done % BLOCK)])
            self.members[name] = (offset, done)

    def finish(self) -> None:
        """Write the end, and see to it that all is on the disk."""
        try:
            with self._mutex:
                self._append([bytes(2 * BLOCK)])
                self._stream.flush()
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise of_system(error) from error

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Return a file that is not large.

        Raises:
            Foreign: It is larger, or not there.
        """
        offset, length = self.members.get(name, (0, -1))
        if not 0 <= length <= limit_bytes:
            raise Foreign(
                f"{self.label} has no {name}" if length < 0 else f"{name} in {self.label} is too large",
                "It was not written by `vml export`, or not to its end.",
            )
        return self.pread(offset, length)

    def pread(self, offset: int, length: int) -> bytes:
        """Return bytes of the file itself.

        Raises:
            HostError: It cannot be read.
        """
        try:
            with self._mutex:
                self._stream.flush()
                return os.pread(self._stream.fileno(), length, offset)
        except OSError as error:
            raise of_system(error) from error

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, header: bytes, pieces: Sequence[bytes], name: str = "", length: int = 0) -> None:
        try:
            with self._mutex:
                offset = self._append([header, *pieces, bytes(-length % BLOCK)])
                if name:
                    self.members[name] = (offset + len(header), length)
        except OSError as error:
            raise of_system(error) from error

    def _append(self, pieces: Sequence[bytes]) -> int:
        offset = self._stream.seek(0, os.SEEK_END)
        self._stream.writelines(pieces)
        return offset
