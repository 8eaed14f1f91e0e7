"""Bring one image onto this computer: verified, atomic, resumable, by one for all who ask.

<folder>/<sha256>/<image>.part         what has arrived; locked (flock) by the one who downloads
<folder>/<sha256>/<image>.part.json    {"sha256": ..., "validator": ...}: what it is going to be, the server's ETag
<folder>/<sha256>/<image>              appears by rename, complete and verified, or not at all

The folder is named by the content, so a file that a repository has replaced under the same name never takes the place
of the one that an entry was written in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from vml_jupyter.errors import (
    NO_ROOM,
    DigestMismatch,
    DiskFull,
    Foreign,
    HostError,
    SignatureWrong,
)
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import reach
from vml_jupyter.release.digests import digest, remember
from vml_jupyter.release.download import REFUSALS, Refusal, download, worst
from vml_jupyter.release.identity import identify
from vml_jupyter.release.names import ImageName
from vml_jupyter.release.part import Part
from vml_jupyter.release.source import FETCHED, published_image
from vml_jupyter.release.trust import Trust, judge, remark

_LOCK_POLL_S = 0.1


def fetch(
    release: Release,
    base_url: str,
    folder: Path,
    progress: Progress = SILENT,
    *,
    extensions: Sequence[str] = FETCHED,
    mirrors: Sequence[str] = (),
    cache: Path | None = None,
    trust: Trust | None = None,
) -> Path:
    """Download the image of a release and return where it is; at once if it already is in the folder.

    Args:
        release: An empty bootloader means the newest that the repository has.
        base_url: The repository that is asked first.
        folder: Where images are kept; created if need be.
        progress: Is told the bytes.
        extensions: Which kinds of image, the best first.
        mirrors: Repositories with the same layout, asked in turn where the one before does not do.
        cache: The folder in which digests are remembered.
        trust: Whose signatures count.

    Raises:
        ReleaseNotFound: No mirror has such an image.
        RepositoryUnreachable: No answer, or too many interruptions; what has arrived is kept.
        DigestMismatch: The bytes are not the published ones, or the published ones not the recorded ones.
        SignatureWrong: Its signature does not hold, or is a stranger's.
        Foreign: The answers are none of a CernVM repository.
        DiskFull: There is no room for the image.
        HostError: The folder cannot be written to.
    """
    refusals: list[Refusal] = []
    tried: set[str] = set()
    base_urls = [base_url, *mirrors]
    reach.answering(base_urls)  # all at once, so that dead mirrors do not add up
    for base in base_urls:
        try:
            image, sha256 = published_image(base, release, extensions)
            _check_recorded(image, sha256, release)
            if sha256 not in tried:
                tried.add(sha256)
                urls = [f"{each.rstrip('/')}/{image.path()}" for each in base_urls]
                accept = partial(_accept, image, trust or Trust(), progress)
                return fetch_file(urls, image.file, sha256, folder, progress, cache=cache, accept=accept)
        except REFUSALS as error:
            refusals.append(error)
            if len(base_urls) > 1:
                progress.note(error.message)
    raise worst(refusals)


def fetch_file(
    urls: Sequence[str],
    name: str,
    sha256: str,
    folder: Path,
    progress: Progress = SILENT,
    *,
    cache: Path | None = None,
    accept: Callable[[Path], None] | None = None,
) -> Path:
    """Download a file whose SHA-256 is known and return where it is; see ``fetch``.

    Args:
        urls: Where it is, the best first.
        name: What it is called here, one component.
        sha256: 64 hex digits.
        folder: Where images are kept.
        progress: Is told the bytes.
        cache: The folder in which digests are remembered.
        accept: Judges the complete file before it gets its name.
    """
    final = folder / sha256 / name
    with _writable(folder):
        if not _is_here(final, sha256, cache, progress):
            with _locked(final, progress) as file:
                # Whoever held the lock before may have finished the work.
                if _is_here(final, sha256, cache, progress):
                    _discard(final)
                else:
                    _fetch_locked(file, urls, final, sha256, cache, progress, accept)
    return final


def _fetch_locked(
    file: BinaryIO,
    urls: Sequence[str],
    final: Path,
    sha256: str,
    cache: Path | None,
    progress: Progress,
    accept: Callable[[Path], None] | None,
) -> None:
    part = Part(file, final, sha256)
    try:
        download(urls, part, progress, accept)
        part.commit()
        remember(final, sha256, cache)
    finally:
        part.abandon()
        with contextlib.suppress(OSError):  # not empty, or gone
            final.parent.rmdir()


def _check_recorded(image: ImageName, sha256: str, release: Release) -> None:
    if image.extension == "hdd" and release.image_sha256.lower() not in ("", sha256):
        raise DigestMismatch(
            f"{image.file} was another file when the entry was written "
            f"(SHA-256 {release.image_sha256[:12]}..., now {sha256[:12]}...)",
            "Look for the old file in your own or a colleague's downloads, or choose another release.",
        )


def _accept(name: ImageName, trust: Trust, progress: Progress, part: Path) -> None:
    """Judge a complete part by the name that it is going to have.

    Raises:
        Foreign: It is not that image.
        SignatureWrong: Its signature does not hold.
    """
    image = identify(part)
    if image is None or image.damage or image.bootloader != name.bootloader:
        is_ = "no CernVM image" if image is None else image.damage or f"bootloader {image.bootloader}"
        raise Foreign(f"{name.file} is not what it is called: {is_}", "Use another repository.")
    told = judge(image, trust, name=name.file)
    if told.status == "bad":
        raise SignatureWrong(
            f"the signature of {name.file} is wrong: {told.reason}",
            "Do not use this file; tell the people of that repository.",
        )
    said = remark(told, name.file)
    if said:
        progress.note(said)


def _is_here(final: Path, sha256: str, cache: Path | None, progress: Progress) -> bool:
    return final.is_file() and digest(final, cache, progress) == sha256


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
def _locked(final: Path, progress: Progress) -> Iterator[BinaryIO]:
    """Hold the part file of a file to be; whoever comes second waits, and can be cancelled meanwhile."""
    path = final.with_name(f"{final.name}.part")
    told = False
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:  # the one before has just tidied up
            continue
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            if _lock(file) and _still_there(file, path):
                yield file
                return
        if not told:
            told = True
            progress.note("the same image is being downloaded already; waiting for that")
        progress.advance(0, None, "bytes")
        time.sleep(_LOCK_POLL_S)


def _discard(final: Path) -> None:
    for suffix in (".part", ".part.json"):
        final.with_name(f"{final.name}{suffix}").unlink(missing_ok=True)


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
