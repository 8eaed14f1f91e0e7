"""Bring one CernVM image onto this computer: verified, atomic, resumable, by one for all who ask.

<folder>/<image>.part         what has arrived; locked (flock) by the one who downloads
<folder>/<image>.part.json    {"sha256": ..., "validator": ...}: what it is going to be, and the server's ETag
<folder>/<image>              appears by rename, complete and verified, or not at all
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vml_jupyter.errors import (
    NO_ROOM,
    DigestMismatch,
    DiskFull,
    HostError,
    ReleaseNotFound,
    RepositoryUnreachable,
)
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.digests import digest, remember
from vml_jupyter.release.names import ImageName
from vml_jupyter.release.part import Part
from vml_jupyter.release.source import get, published_image, unreachable

if TYPE_CHECKING:
    import requests

_PIECE = 256 * 1024
_MARGIN_BYTES = 64 * 1024 * 1024
_BREAKS_PER_MIRROR = 3
_LOCK_POLL_S = 0.1


def fetch(
    release: Release,
    base_url: str,
    folder: Path,
    progress: Progress = SILENT,
    *,
    extension: str = "hdd",
    mirrors: Sequence[str] = (),
    cache: Path | None = None,
) -> Path:
    """Download the image of a release and return where it is; at once if it already is in the folder.

    Args:
        release: An empty bootloader means the newest that the repository has.
        base_url: The repository that says what the image's SHA-256 is, and the first to be asked for it.
        folder: Where the image is to lie; created if need be.
        progress: Is told the bytes.
        extension: Which kind of image.
        mirrors: Repositories with the same layout, asked in turn when the one before breaks off.
        cache: The folder in which digests are remembered.

    Raises:
        ReleaseNotFound: The repository has no such image.
        RepositoryUnreachable: No answer, or too many interruptions; what has arrived is kept.
        DigestMismatch: The bytes are not the published ones, or the published ones not the recorded ones.
        DiskFull: There is no room for the image.
        HostError: The folder cannot be written to.
    """
    image, sha256 = published_image(base_url, release, extension)
    if release.image_sha256 and release.image_sha256.lower() != sha256:
        raise DigestMismatch(
            f"{image.file} was another file when the entry was written "
            f"(SHA-256 {release.image_sha256[:12]}..., now {sha256[:12]}...)",
            "Look for the old file in your own or a colleague's downloads, or choose another release.",
        )
    final = folder / image.file
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not _is_here(final, sha256, cache, progress):
            _fetch_shared(image, [base_url, *mirrors], final, sha256, cache, progress)
    return final


def _fetch_shared(
    image: ImageName,
    base_urls: Sequence[str],
    final: Path,
    sha256: str,
    cache: Path | None,
    progress: Progress,
) -> None:
    path = final.with_name(f"{final.name}.part")
    with _locked(path, progress) as file:
        # Whoever held the lock before may have finished the work.
        if _is_here(final, sha256, cache, progress):
            path.unlink(missing_ok=True)
            return
        part = Part(file, final, sha256)
        try:
            _download(image, base_urls, part, progress)
            part.commit()
            remember(final, sha256, cache)
        finally:
            part.abandon()


def _is_here(final: Path, sha256: str, cache: Path | None, progress: Progress) -> bool:
    return final.is_file() and digest(final, cache, progress) == sha256


def _download(image: ImageName, base_urls: Sequence[str], part: Part, progress: Progress) -> None:
    """Fill the part, from one mirror after the other; wrong bytes are thrown away once per mirror."""
    last: DigestMismatch | RepositoryUnreachable | ReleaseNotFound | None = None
    for base_url in base_urls:
        url = f"{base_url.rstrip('/')}/{image.path()}"
        try:
            _fill(url, part, progress)
            if not part.is_complete():
                # A resumed file may be right so far for another version of itself: once more, from its start.
                resumed = part.resumed
                part.restart()
                if resumed:
                    _fill(url, part, progress)
            if part.is_complete():
                return
            part.restart()
            last = DigestMismatch(
                f"{url} is not the published image: its SHA-256 differs",
                "Try again, or use another repository.",
            )
        except (ReleaseNotFound, RepositoryUnreachable) as error:
            last = error
        if len(base_urls) > 1:
            progress.note(f"{base_url}: {last.message}")
    assert last is not None
    raise last


def _fill(url: str, part: Part, progress: Progress) -> None:
    """Read until the server says that this was all, going on where a connection broke.

    Raises:
        RepositoryUnreachable: It broke too often; some bytes may have arrived.
    """
    breaks = 0
    while True:
        before = part.size
        try:
            _read_on(url, part, progress)
        except RepositoryUnreachable:
            breaks = breaks + 1 if part.size == before else 0
            if breaks >= _BREAKS_PER_MIRROR or part.size == 0:
                raise
        else:
            return


def _read_on(url: str, part: Part, progress: Progress) -> None:
    """Make one request for what is missing and append its answer."""
    with get(url, part.range_headers()) as response:
        if response.status_code == 416:
            # The server has no byte after ours: it is all here, or it is something else.
            return
        total = part.accept(response.status_code, response.headers)
        _make_room(part, total)
        progress.advance(part.size, total, "bytes")
        with unreachable(url):
            for piece in _pieces(response, url):
                part.append(piece)
                progress.advance(part.size, total, "bytes")


def _pieces(response: requests.Response, url: str) -> Iterator[bytes]:
    """Yield the body; a connection that ends early is an interruption, not the end of the file."""
    import requests

    expected = response.headers.get("Content-Length", "")
    arrived = 0
    for piece in response.iter_content(_PIECE):
        arrived += len(piece)
        yield piece
    if expected.isdigit() and arrived < int(expected):
        raise requests.ConnectionError(f"{url} ended after {arrived} of {expected} bytes")


def _make_room(part: Part, total: int | None) -> None:
    free = shutil.disk_usage(part.folder).free
    needed = (total or part.size) - part.size
    if needed + _MARGIN_BYTES > free:
        raise DiskFull(
            f"{part.folder} has {free >> 20} MiB free, and the image needs {needed >> 20} MiB more",
            "Make room there, or put VML's data elsewhere (VML_DATA).",
        )


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull(
                f"the disk of {folder} became full", "Make room; what has arrived is kept."
            ) from error
        raise HostError(
            f"the image cannot be written to {folder}: {error.strerror or error}",
            "Put VML's data elsewhere (VML_DATA).",
        ) from error


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[BinaryIO]:
    """Hold the part file; whoever comes second waits, and can be cancelled meanwhile."""
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if _lock(file) and _still_there(file, path):
                yield file
                return
        if not told:
            told = True
            progress.note("the same image is being downloaded already; waiting for that")
        progress.advance(0, None, "bytes")
        time.sleep(_LOCK_POLL_S)


def _lock(file: object) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]  # anything with fileno()
    except BlockingIOError:
        return False
    return True


def _still_there(file: object, path: Path) -> bool:
    """Tell whether the locked file still has its name, which it loses when it is finished."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())  # type: ignore[attr-defined]
    except FileNotFoundError:
        return False
