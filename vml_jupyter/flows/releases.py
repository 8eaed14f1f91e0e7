"""Which CernVM versions the user can go back to, and getting one onto this computer."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from vml_jupyter.errors import (
    DigestMismatch,
    Foreign,
    LogbookError,
    ReleaseError,
    ReleaseNotFound,
    ReleaseUnknown,
    RepositoryUnreachable,
    SignatureWrong,
)
from vml_jupyter.flows.added import added_lines, find_added, provide_root, release_of_added
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.pools import pool_images
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import recorded_machines
from vml_jupyter.model import Entry, Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import (
    ISO,
    RAW,
    AvailableRelease,
    Image,
    available,
    digest,
    extract,
    fetch,
    find_local,
    judge,
    local_images,
    parse_release,
    recall_judgement,
    trim,
)


class KnownImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image file on this computer, for people: what it is, and what is thought of its signature.

    ``signature`` is ``signed``, ``unchecked``, ``unsigned``, ``bad``, or '' where nobody has looked yet.
    """

    image: Image
    signature: str = ""
    reason: str = ""


def list_releases(
    settings: Settings, progress: Progress = SILENT, *, asking: bool = True
) -> list[AvailableRelease]:
    """Return every release that is here, can be downloaded, or is needed by an entry or a machine; newest first.

    Args:
        settings: Where to look.
        progress: Is told, as notes, who could not be asked.
        asking: False for what is known without any network.
    """
    lines = available(
        settings.image_folders(),
        settings.repositories(),
        settings.cache,
        progress,
        more=pool_images(settings, progress),
        needed=_needed(settings, progress),
        asking=asking,
    )
    return [*lines, *added_lines(settings)]


def list_images(settings: Settings, progress: Progress = SILENT) -> list[KnownImage]:
    """Return every CernVM image on this computer, also damaged ones, with what is known of its signature."""
    trust = settings.trust()
    found = []
    images = [*local_images(settings.image_folders(), settings.cache), *pool_images(settings, progress)]
    for image in images:
        told = None if image.damage else recall_judgement(image, trust, settings.cache)
        found.append(
            KnownImage(
                image=image,
                signature=told.status if told else "",
                reason=image.damage or (told.reason if told else ""),
            )
        )
    return found


def named_release(settings: Settings, name: str, progress: Progress = SILENT) -> Release:
    """Return the release that a user's word means: ``4.5.0.1``, ``CernVM 4.5.0.1``, ``4.5.0.1@2021.05-1``.

    What is remembered counts before any repository is asked.

    Raises:
        Usage: The word is no CernVM version.
        ReleaseNotFound: It looks like one, but none of the repositories or folders knows it.
    """
    added = find_added(settings, name)
    if added:
        return release_of_added(added)
    asked = parse_release(name)
    known: list[AvailableRelease] = []
    for asking in (False, True):
        known = available(
            settings.image_folders(),
            settings.repositories(),
            settings.cache,
            progress if asking else SILENT,
            asking=asking,
        )
        for line in known:
            if line.release.system == asked.system:
                return _with_bootloader(line.release, asked)
    names = ", ".join(sorted({candidate.release.system for candidate in known})) or "none"
    raise ReleaseNotFound(
        f"CernVM {asked.system} is neither on this computer nor in a release repository (known: {names})",
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


def bootable(settings: Settings, image: Image, progress: Progress = SILENT) -> Path:
    """Return the file from which a machine boots an image: itself, or the raw disk taken out of it.

    The raw disk is kept beside the releases, by its content, so it is taken out once.

    Raises:
        Foreign, ToolMissing, HostError: It cannot be taken out.
    """
    if image.kind in (RAW, ISO):
        return image.path
    stem = f"ucernvm-{image.flavour or 'image'}.{image.bootloader}.from-{image.sha256[:16]}"
    for known in local_images([settings.releases], settings.cache):
        if known.kind == RAW and known.path.stem == stem:
            return known.path
    progress.note(f"{image.path.name} is a {image.kind} file: its disk is taken out")
    settings.releases.mkdir(parents=True, exist_ok=True)
    draft = settings.releases / f".{secrets.token_hex(6)}.part"
    try:
        extract(image.path, image.kind, draft)
        trim(draft)
        told = judge(msgspec.structs.replace(image, path=draft, kind=RAW), settings.trust())
        # Some kinds are edited after signing, like .hvm files, and are then as unsigned as those.
        final = settings.releases / digest(draft) / f"{stem}{'.hvm' if told.status == 'bad' else '.raw'}"
        final.parent.mkdir(exist_ok=True)
        draft.replace(final)
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


def _with_bootloader(known: Release, asked: Release) -> Release:
    """Return a known release with the bootloader that the user insists on; its image is then another file."""
    if asked.bootloader in ("", known.bootloader) and asked.flavour in ("", known.flavour):
        return known
    return msgspec.structs.replace(known, bootloader=asked.bootloader, flavour=asked.flavour, image_sha256="")


def _needed(settings: Settings, progress: Progress) -> list[Release]:
    """Return the releases that entries and machines were made in, each once."""
    found: list[Release] = [spec.release for spec in recorded_machines(settings.machines)]
    try:
        found += _of_entries(list_entries(settings))
    except LogbookError as error:
        progress.note(f"what entries need is not known: {error.message}")
    # What the user added is listed by itself.
    return list({(r.system, r.bootloader): r for r in found if not r.is_cloud}.values())


def _of_entries(entries: Iterable[Entry]) -> list[Release]:
    return [entry.environment.release for entry in entries if entry.environment.release is not None]
