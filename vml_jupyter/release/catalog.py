"""Which CernVM releases there are: those on this computer and those that a repository offers, newest first.

    <cache>/catalog-<16 digits>.json     what a repository offered last, for days without network

A release is an image (the bootloader) and a system; an image boots every system of its repository. So the
list has one line for each system, with the image that is here, else with the one that the repository offers.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from msgspec.structs import replace

from vml_jupyter.errors import Foreign, ReleaseError, ReleaseNotFound, RepositoryUnreachable
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.digests import recall
from vml_jupyter.release.history import dated_systems, stratum_ones
from vml_jupyter.release.local import Image, local_images
from vml_jupyter.release.names import ImageName, bootloader_key, system_key
from vml_jupyter.release.source import latest, published_image


class AvailableRelease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One release that a notebook can be brought back to.

    ``state`` is ``here`` (``path`` is the image) or ``downloadable`` (``url`` is); ``published`` is the day
    on which the system was published, ``source`` the repository that told of it.
    """

    release: Release
    state: str
    path: str = ""
    url: str = ""
    published: str = ""
    source: str = ""


class _Offer(msgspec.Struct, frozen=True):
    """An image that a repository offers."""

    image: ImageName
    sha256: str


class _Repository(msgspec.Struct, frozen=True):
    """What a repository offered: an image for each major version, and the systems with their times."""

    offers: dict[str, _Offer]
    systems: list[tuple[Release, int]]


def available(
    folders: Sequence[Path], base_urls: Sequence[str], cache: Path | None = None, progress: Progress = SILENT
) -> list[AvailableRelease]:
    """Return every release that is here or can be downloaded, newest system first.

    A repository that does not answer costs two seconds and a note; what it offered last time is then listed.

    Args:
        folders: Where images may lie on this computer.
        base_urls: Repositories in CernVM's layout; the first that has a system is the one that is listed.
        cache: The folder for what is remembered; None remembers nothing.
        progress: Is told, as notes, what could not be asked.
    """
    here = local_images(folders)
    found: dict[tuple[str, str], AvailableRelease] = {}
    for base_url in base_urls:
        repository = _ask(base_url, cache, progress)
        if repository is None:
            continue
        for system, time in repository.systems:
            line = _line(base_url, repository, system, time, here, cache)
            if line:
                found.setdefault((system.system, line.release.flavour), line)
    if here and not any(line.state == "here" for line in found.values()):
        names = ", ".join(sorted({image.path.name for image in here}))
        progress.note(f"images are here ({names}), but no repository tells which systems they boot")
    return sorted(found.values(), key=lambda line: system_key(line.release.system), reverse=True)


def _line(
    base_url: str,
    repository: _Repository,
    system: Release,
    time: int,
    here: Sequence[Image],
    cache: Path | None,
) -> AvailableRelease | None:
    """Return what is to be said of one system, None where no image boots it."""
    offer = repository.offers.get(_major(system.system))
    if offer is None:
        return None
    common = {"published": _day(time), "source": base_url}
    own = max(
        (image for image in here if image.flavour == offer.image.flavour),
        key=lambda image: bootloader_key(image.bootloader),
        default=None,
    )
    if own:
        # Only a digest that is known already: listing must not read gigabytes.
        sha256 = recall(own.path, cache)
        release = replace(system, bootloader=own.bootloader, flavour=own.flavour, image_sha256=sha256)
        return AvailableRelease(release=release, state="here", path=str(own.path), **common)
    image = offer.image
    release = replace(system, bootloader=image.bootloader, flavour=image.flavour, image_sha256=offer.sha256)
    url = f"{base_url.rstrip('/')}/{image.path()}"
    return AvailableRelease(release=release, state="downloadable", url=url, **common)


def _ask(base_url: str, cache: Path | None, progress: Progress) -> _Repository | None:
    """Return what a repository offers, else what it offered last, else None; says by a note which."""
    try:
        repository = _offered(base_url)
    except (ReleaseError, Foreign) as error:
        remembered = _recall(base_url, cache)
        kept = "; listing what it offered last time" if remembered else ""
        progress.note(f"{error.message}{kept}")
        return remembered
    _remember(base_url, repository, cache)
    return repository


def _offered(base_url: str) -> _Repository:
    # The cheapest question first: when it is not answered, no other is asked.
    bootloader = latest(base_url)
    known = _first_answer(stratum_ones(base_url))
    offers = {}
    for major in {_major(system.system) for system, _ in known}:
        with contextlib.suppress(ReleaseNotFound):
            image, sha256 = published_image(base_url, Release(system=f"{major}.", bootloader=bootloader))
            offers[major] = _Offer(image, sha256)
    return _Repository(offers, known)


def _first_answer(servers: Sequence[str]) -> list[tuple[Release, int]]:
    for server in servers[:-1]:
        with contextlib.suppress(RepositoryUnreachable):
            return dated_systems(server)
    return dated_systems(servers[-1])


def _major(system: str) -> str:
    return system.partition(".")[0]


def _day(seconds: int) -> str:
    # A foreign number may be beyond every calendar.
    if not 0 < seconds < 253_402_300_800:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()


def _memory(base_url: str, cache: Path) -> Path:
    return cache / f"catalog-{hashlib.sha256(base_url.encode()).hexdigest()[:16]}.json"


def _recall(base_url: str, cache: Path | None) -> _Repository | None:
    if cache is None:
        return None
    try:
        return msgspec.json.decode(_memory(base_url, cache).read_bytes(), type=_Repository)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _remember(base_url: str, repository: _Repository, cache: Path | None) -> None:
    """Keep an answer; where that cannot be done the only loss is the list on a day without network."""
    if cache is None:
        return
    file = _memory(base_url, cache)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(msgspec.json.encode(repository))
            os.replace(draft, file)  # noqa: PTH105  # replaces atomically, like the rest of this package
        finally:
            draft.unlink(missing_ok=True)
