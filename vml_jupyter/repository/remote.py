"""Stores reached through obstore: S3 buckets, and memory for tests; and which URL means which store.

    /data/logbook, file:///data/logbook          a local folder
    s3://bucket/prefix                           S3; end point and secrets from AWS_* variables
    s3:https://host:port/bucket/prefix           the same, written the way restic writes it

A read from a bucket costs tens of milliseconds however little it reads, and blobs that were written
together are read together, so ranges are widened and the last few kept.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import MemoryStore, ObjectStore, S3Store

from vml_jupyter.errors import StoreUnreachable, Usage
from vml_jupyter.repository.store import LocalFolder, Store

_WINDOW_BYTES = 1 << 20
_WINDOWS = 64


def open_store(url: str) -> Store:
    """Return the store that ``url`` names.

    Raises:
        Usage: It names none.
    """
    if url.startswith("s3:"):
        return BucketStore(_bucket(url), url)
    if url.startswith("file://"):
        return LocalFolder(Path(unquote(urlsplit(url).path)))
    if "://" in url or not url:
        raise Usage(
            f"{url!r} is no place for a logbook",
            "Give a folder, s3://bucket/prefix or s3:https://host/bucket",
        )
    return LocalFolder(Path(url).expanduser().absolute())


def memory_store() -> Store:
    """Return a store that is gone with the process."""
    return BucketStore(MemoryStore(), "memory")


def _bucket(url: str) -> ObjectStore:
    endpoint: str | None = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
    if url.startswith("s3://"):
        path = url.removeprefix("s3://")
    else:
        parts = urlsplit(url.removeprefix("s3:"))
        endpoint, path = f"{parts.scheme or 'https'}://{parts.netloc}", parts.path.lstrip("/")
    bucket, _, prefix = path.partition("/")
    if not bucket:
        raise Usage(f"{url!r} names no bucket", "Write s3://bucket/prefix")
    try:
        return S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            config={"endpoint": endpoint} if endpoint else {},
            client_options={
                "timeout": "300s",
                "connect_timeout": "10s",
                "allow_http": (endpoint or "").startswith("http://"),
            },
            retry_config={"max_retries": 4, "retry_timeout": timedelta(seconds=60)},
        )
    except (BaseError, ValueError) as error:
        raise Usage(f"{url!r} cannot be used: {error}", "Check the URL and the AWS_* variables") from error


class BucketStore:
    """A Store over any store of obstore."""

    is_remote = True

    def __init__(self, store: ObjectStore, label: str) -> None:
        self._store = store
        self.label = label
        self._windows: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, name: str) -> bytes:
        with self._faults():
            return bytes(obstore.get(self._store, name).bytes())

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        if length > _WINDOW_BYTES:
            return self._get_range(name, offset, length)
        first, last = offset // _WINDOW_BYTES, (offset + length - 1) // _WINDOW_BYTES
        joined = b"".join(self._window(name, number) for number in range(first, last + 1))
        start = offset - first * _WINDOW_BYTES
        return joined[start : start + length]

    def put(self, name: str, pieces: Sequence[bytes]) -> None:
        with self._faults():
            obstore.put(self._store, name, b"".join(pieces), use_multipart=False)

    def list(self, folder: str) -> Iterator[str]:
        return (name for name, _ in self.sizes(folder))

    def sizes(self, folder: str) -> Iterator[tuple[str, int]]:
        with self._faults():
            for batch in obstore.list(self._store, prefix=folder + "/"):
                for item in batch:
                    yield item["path"].rsplit("/", 1)[-1], item["size"]

    def delete(self, name: str) -> None:
        try:
            with self._faults():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            return

    def _window(self, name: str, number: int) -> bytes:
        """Return one aligned piece of a file, kept from before or read now."""
        key = (name, number)
        with self._mutex:
            if key in self._windows:
                self._windows.move_to_end(key)
                return self._windows[key]
        window = self._get_range(name, number * _WINDOW_BYTES, _WINDOW_BYTES)
        with self._mutex:
            self._windows[key] = window
            while len(self._windows) > _WINDOWS:
                self._windows.popitem(last=False)
        return window

    def _get_range(self, name: str, offset: int, length: int) -> bytes:
        """Read a range; one that reaches past the end of the file comes back shorter."""
        with self._faults():
            return bytes(obstore.get_range(self._store, name, start=offset, length=length))

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Translate obstore's errors; a missing file is FileNotFoundError already."""
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError, ValueError) as error:
            raise StoreUnreachable(
                f"{self.label} does not answer as it should: {str(error).splitlines()[0]}",
                "Check the network, the bucket's name, and the AWS_* variables",
            ) from error
