"""Where a trial's logbook lies: a folder, or a bucket."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

import obstore

from vml_jupyter.repository.bucket import open_bucket, parse_url


class Place(Protocol):
    """How to copy a logbook there, and to see what it has become."""

    environ: dict[str, str]
    makes_password: bool
    """Whether the first snapshot makes a password for the logbook by itself."""

    def copy(self, base: Path | None, folder: Path) -> str:
        """Copy the logbook ``base``, or nothing, and return the copy's URL; it may lie in ``folder``."""

    def sizes(self, url: str) -> dict[str, int]:
        """Return the names of all files there, with their sizes."""


class Folder:
    """A folder of this computer."""

    makes_password = True

    def __init__(self) -> None:
        self.environ: dict[str, str] = {}

    def copy(self, base: Path | None, folder: Path) -> str:
        if base:
            shutil.copytree(base, folder)
        return str(folder)

    def sizes(self, url: str) -> dict[str, int]:
        files = (path for path in Path(url).rglob("*") if path.is_file())
        return {str(path.relative_to(url)): path.stat().st_size for path in files}


class Bucket:
    """A bucket of an S3 server, with a prefix for each trial."""

    makes_password = False

    def __init__(self, endpoint: str, bucket: str, environ: dict[str, str]) -> None:
        self.environ = environ
        self._base = f"s3:{endpoint}/{bucket}"
        self._count = 0

    def copy(self, base: Path | None, folder: Path) -> str:
        if self._count:
            self._remove(f"{self._base}/trial-{self._count}")
        self._count += 1
        url = f"{self._base}/trial-{self._count}"
        store = open_bucket(parse_url(url), self.environ)
        for path in base.rglob("*") if base else ():
            if path.is_file():
                obstore.put(store, str(path.relative_to(base)), path.read_bytes(), use_multipart=False)
        return url

    def sizes(self, url: str) -> dict[str, int]:
        store = open_bucket(parse_url(url), self.environ)
        return {item["path"]: item["size"] for batch in obstore.list(store) for item in batch}

    def _remove(self, url: str) -> None:
        obstore.delete(open_bucket(parse_url(url), self.environ), list(self.sizes(url)))
