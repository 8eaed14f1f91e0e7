"""Getting the image of a release onto this computer, as a file that a machine boots from.

release -> an image here, by content, else a download, verified -> itself, or the raw disk taken out of it
release, image -> the release that boots from it, bootloader included
"""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from vml_jupyter.errors import (
    DigestMismatch,
    Foreign,
    ReleaseError,
    ReleaseNotFound,
    RepositoryUnreachable,
    SignatureWrong,
)
from vml_jupyter.flows.added_disk import provide_root
from vml_jupyter.flows.pools import pool_images
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import (
    ISO,
    RAW,
    Image,
    digest,
    extract,
    fetch,
    find_local,
    identify,
    judge,
    local_images,
    remember,
    trim,
)


def provide(settings: Settings, release: Release, progress: Progress = SILENT) -> Path:
    """Return the image file of a release, a raw disk or an ISO: found on this computer, else downloaded and verified.

    Raises:
        ReleaseNotFound: No folder and no repository has it.
        RepositoryUnreachable: It is not here and no repository answers.
        DigestMismatch, SignatureWrong, Foreign, DiskFull: The download went wrong.
    """
    progress.stage("find", f"Looking for {release.label} on this computer")
    if release.is_cloud:
        return provide_root(settings, release, progress)
    trust = settings.trust()
    here = find_local(release, settings.image_folders(), settings.cache, progress, trust)
    if here is None:
        here = find_local(release, (), settings.cache, progress, trust, pool_images(settings, progress))
    if here is not None:
        return bootable(settings, here, progress)
    progress.stage("fetch", f"Downloading {release.label}")
    path = _fetched(settings, release, progress)
    return bootable(settings, _identified(settings, path), progress)


def booted(settings: Settings, release: Release, image: Path, progress: Progress = SILENT) -> Release:
    """Return the release that boots from the image which was provided for it.

    Where the release leaves its bootloader open, it is the image's, which was the newest; a note says so.
    """
    if release.bootloader or release.is_cloud:
        return release
    found = identify(image, settings.cache)
    if found is None:
        return release
    progress.note(
        f"which bootloader {release.label} had was not recorded: it boots by {found.bootloader}, the newest found"
    )
    return msgspec.structs.replace(release, bootloader=found.bootloader)


def bootable(settings: Settings, image: Image, progress: Progress = SILENT) -> Path:
    """Return the file from which a machine boots an image: itself, or the raw disk taken out of it.

    The raw disk is kept beside the releases, by its content, so it is taken out once, and again where it is not any
    more what was taken out.

    Raises:
        DiskFull: There is no room for it.
        Foreign, ToolMissing, HostError: It cannot be taken out.
    """
    if image.kind in (RAW, ISO):
        return image.path
    stem = f"ucernvm-{image.flavour or 'image'}.{image.bootloader}.from-{image.sha256[:16]}"
    for known in local_images([settings.releases], settings.cache):
        if known.kind == RAW and known.path.stem == stem:
            if not known.damage and digest(known.path, settings.cache, progress) == known.path.parent.name:
                return known.path
            progress.note(f"{known.path} is not used: it was changed since it was taken out")
    progress.note(f"{image.path.name} is a {image.kind} file: its disk is taken out")
    settings.releases.mkdir(parents=True, exist_ok=True)
    draft = settings.releases / f".{secrets.token_hex(6)}.part"
    try:
        extract(image.path, image.kind, draft)
        trim(draft)
        told = judge(msgspec.structs.replace(image, path=draft, kind=RAW), settings.trust())
        # Some kinds are edited after signing, like .hvm files, and are then as unsigned as those.
        sha256 = digest(draft)
        final = settings.releases / sha256 / f"{stem}{'.hvm' if told.status == 'bad' else '.raw'}"
        final.parent.mkdir(exist_ok=True)
        draft.replace(final)
        remember(final, sha256, settings.cache)
    finally:
        draft.unlink(missing_ok=True)
    return final


def _identified(settings: Settings, path: Path) -> Image:
    image = next(
        image for image in local_images([path.parent], settings.cache) if image.path.name == path.name
    )
    return msgspec.structs.replace(image, sha256=digest(path, settings.cache))


def _fetched(settings: Settings, release: Release, progress: Progress) -> Path:
    refusals: list[ReleaseError | Foreign] = []
    for repository in settings.repositories():
        try:
            return fetch(
                release,
                repository.url,
                settings.releases,
                progress,
                mirrors=repository.mirrors,
                cache=settings.cache,
                trust=settings.trust(),
            )
        except (ReleaseNotFound, RepositoryUnreachable, DigestMismatch, SignatureWrong, Foreign) as error:
            refusals.append(error)
    raise _nowhere(release, refusals)


def _nowhere(release: Release, refusals: list[ReleaseError | Foreign]) -> ReleaseError | Foreign:
    """Say why no repository gave the image; an unreachable one leaves hope, so it is named first."""
    told = "; ".join(error.message for error in refusals) or "no release repository is configured"
    kinds = [type(error) for error in refusals]
    kind: type[ReleaseError | Foreign] = (
        RepositoryUnreachable if RepositoryUnreachable in kinds else kinds[0] if kinds else ReleaseNotFound
    )
    return kind(
        f"{release.label} (bootloader {release.bootloader or 'unknown'}) is not here, nor elsewhere: {told}",
        "Check the network, put the image into ~/Downloads, or choose another with --release.",
    )
