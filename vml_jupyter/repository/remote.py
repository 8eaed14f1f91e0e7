"""Stores reached through obstore: S3 buckets, and memory for tests; and which URL means which store.

    /data/logbook, file:///data/logbook          a local folder
    s3://bucket/prefix                           S3; see ``bucket`` and ``aws``
    s3:https://host:port/bucket/prefix           the same, written the way restic writes it

A read from a bucket costs tens of milliseconds however little it reads, and blobs that were written
together are read together, so ranges are widened and the last few kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError, PreconditionError
from obstore.store import MemoryStore, ObjectStore

from vml_jupyter.errors import Usage
from vml_jupyter.repository import answers
from vml_jupyter.repository.bucket import open_bucket, parse_url
from vml_jupyter.repository.store import LocalFolder, Store
from vml_jupyter.repository.windows import Windows

if TYPE_CHECKING:
    from obstore import ObjectMeta

_TRIES = 4
_FIRST_PAUSE_S = 0.2
_LONG_S = 20.0
_T = TypeVar("_T")


def local_folder(url: str) -> Path | None:
    """Return the folder that ``url`` names, None where it names a bucket.

    Raises:
        Usage: It names no place for a logbook, or has a secret in it.
    """
    if url.startswith("s3:"):
        parse_url(url)
        return None
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    if "://" in url or not url:
        raise Usage(
            "that is no place for a logbook" if "@" in url else f"{url!r} is no place for a logbook",
            "Give a folder, s3://bucket/prefix or s3:https://host/bucket",
        )
    return Path(url).expanduser().absolute()


def open_store(url: str) -> Store:
    """Return the store that ``url`` names.

    Raises:
        Usage: It names none, or there are no keys for it.
    """
    folder = local_folder(url)
    return LocalFolder(folder) if folder else BucketStore(open_bucket(parse_url(url)), url)


def memory_store() -> Store:
    """Return a store that is gone with the process."""
    return BucketStore(MemoryStore(), "memory")


class BucketStore:
    """A Store over any store of obstore."""

    is_remote = True

    def __init__(self, store: ObjectStore, label: str) -> None:
        self._store = store
        self.label = label
        self._windows = Windows(self._get_range)

    def get(self, name: str) -> bytes:
        with self._faults():
            return self._again(lambda: bytes(obstore.get(self._store, name).bytes()))

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        return self._windows.read(name, offset, length)

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        with self._faults():
            obstore.put(self._store, name, b"".join(pieces), use_multipart=False)

    def create(self, name: str, content: bytes) -> None:
        """Write a file unless it is there; what an older server does regardless is found out by reading it again."""
        with self._faults():
            try:
                self._again(
                    lambda: obstore.put(self._store, name, content, use_multipart=False, mode="create")
                )
            except (AlreadyExistsError, PreconditionError):
                pass  # by somebody else, or by this very request, whose first answer was lost
            except NotSupportedError:
                self._create_unguarded(name, content)
            if self.get(name) != content:
                raise FileExistsError(name)

    def _create_unguarded(self, name: str, content: bytes) -> None:
        try:
            self.get(name)
        except FileNotFoundError:
            self.put(name, [content])

    def list(self, folder: str) -> Iterator[str]:
        return (name for name, _ in self.sizes(folder))

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._faults():
            for item in self._listed(folder):
                yield _name(item), item["size"]

    def times(self, folder: str) -> Iterator[tuple[str, float]]:
        with self._faults():
            for item in self._listed(folder):
                yield _name(item), item["last_modified"].timestamp()

    def delete(self, name: str) -> None:
        try:
            with self._faults():
                self._again(lambda: obstore.delete(self._store, name))
        except FileNotFoundError:
            return

    def _listed(self, folder: str) -> Sequence[ObjectMeta]:
        return self._again(
            lambda: [item for batch in obstore.list(self._store, prefix=f"{folder}/") for item in batch]
        )

    def _again(self, ask: Callable[[], _T]) -> _T:
        """Ask until the answer comes whole: obstore does so itself for most of reading and writing, but not for these.

        Nor where a server's no is cut off, as that a file is not there. What it has asked for long is not asked again.
        """
        for number in range(1, _TRIES):
            begun = time.monotonic()
            try:
                return ask()
            except BaseError as error:
                if not answers.is_broken_connection(error) or time.monotonic() - begun > _LONG_S:
                    raise
            time.sleep(_FIRST_PAUSE_S * 2**number)
        return ask()

    def _get_range(self, name: str, offset: int, length: int) -> bytes:
        """Read a range; one that reaches past the end of the file comes back shorter."""
        try:
            with self._faults():
                return bytes(obstore.get_range(self._store, name, start=offset, length=length))
        except _PastTheEnd:
            return b""

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Translate obstore's errors; a missing file is FileNotFoundError already, as is a missing bucket."""
        try:
            yield
        except FileExistsError:
            raise
        except (BaseError, OSError, ValueError) as error:
            code = answers.code_of(error)
            if code == "InvalidRange":
                raise _PastTheEnd from error
            if isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
                raise
            raise answers.translate(error, self.label) from error


def _name(item: ObjectMeta) -> str:
    return item["path"].rsplit("/", 1)[-1]


class _PastTheEnd(Exception):
    """A range begins where the file has ended: it was cut."""
