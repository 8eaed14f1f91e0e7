"""Which CernVM versions the user can go back to, and getting one onto this computer."""

from __future__ import annotations

import re
from pathlib import Path

from vml_jupyter.errors import ReleaseNotFound, ReleaseUnknown, RepositoryUnreachable, Usage
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import AvailableRelease, available, fetch, find_local

_SYSTEM = re.compile(r"(?:CernVM[ -]?|cernvm-system-)?(\d+(?:\.\d+){2,3})", re.IGNORECASE)


def list_releases(settings: Settings, progress: Progress = SILENT) -> list[AvailableRelease]:
    """Return every release that is here or can be downloaded, newest first."""
    return available(settings.image_folders(), settings.release_urls, settings.cache, progress)


def named_release(settings: Settings, name: str) -> Release:
    """Return the release that a user's word means: ``4.5.0.1``, ``CernVM 4.5.0.1``, ``cernvm-system-4.5.0.1``.

    Raises:
        Usage: The word is no CernVM version.
        ReleaseNotFound: It looks like one, but none of the repositories or folders knows it.
    """
    match = _SYSTEM.fullmatch(name.strip())
    if not match:
        raise Usage(f"{name!r} is not a CernVM version", "Write it like 4.5.0.1; `vml releases` lists them.")
    system = match[1]
    known = list_releases(settings)
    for candidate in known:
        if candidate.release.system == system:
            return candidate.release
    names = ", ".join(sorted({candidate.release.system for candidate in known})) or "none"
    raise ReleaseNotFound(
        f"CernVM {system} is neither on this computer nor in a release repository (known: {names})",
        "Check the version with `vml releases`, or add the repository that has it (VML_RELEASE_URLS).",
    )


def release_of(settings: Settings, entry: Entry, override: str | None) -> Release:
    """Return the release in which an entry is to be restored: the recorded one, unless another is named.

    Raises:
        ReleaseUnknown: The entry records none and none is named.
    """
    if override:
        return named_release(settings, override)
    recorded = entry.environment.release
    if recorded is None:
        raise ReleaseUnknown(
            f"entry {entry.id} was captured outside CernVM and names no release",
            "Choose one with --release; `vml releases` lists them.",
        )
    return recorded


def provide(settings: Settings, release: Release, progress: Progress = SILENT) -> Path:
    """Return the image file of a release: found on this computer, else downloaded and verified.

    Raises:
        ReleaseNotFound: No folder and no repository has it.
        RepositoryUnreachable: It is not here and no repository answers.
        DigestMismatch, DiskFull: The download went wrong.
    """
    progress.stage("find", f"Looking for {release.label} on this computer")
    here = find_local(release, settings.image_folders(), settings.cache)
    if here is not None:
        return here
    progress.stage("fetch", f"Downloading {release.label}")
    refusals: list[ReleaseNotFound | RepositoryUnreachable] = []
    for url in settings.release_urls:
        try:
            return fetch(release, url, settings.releases, progress, cache=settings.cache)
        except (ReleaseNotFound, RepositoryUnreachable) as error:
            refusals.append(error)
    raise _nowhere(release, refusals)


def _nowhere(
    release: Release, refusals: list[ReleaseNotFound | RepositoryUnreachable]
) -> ReleaseNotFound | RepositoryUnreachable:
    """Say why no repository gave the image; an unreachable one leaves hope, so it is named first."""
    told = "; ".join(error.message for error in refusals) or "no release repository is configured"
    kind = (
        RepositoryUnreachable
        if any(isinstance(error, RepositoryUnreachable) for error in refusals)
        else ReleaseNotFound
    )
    return kind(
        f"{release.label} (bootloader {release.bootloader or 'unknown'}) is not here, nor elsewhere: {told}",
        "Check the network, put the image into ~/Downloads, or choose another with --release.",
    )
