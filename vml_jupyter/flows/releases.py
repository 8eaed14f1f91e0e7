"""Which CernVM versions the user can go back to, and which one a user's word or an entry means."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from vml_jupyter.errors import (
    LogbookError,
    ReleaseNotFound,
    ReleaseUnknown,
    RepositoryUnreachable,
)
from vml_jupyter.flows.added import added_lines, find_added, release_of_added
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.pools import pool_images
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import recorded_machines
from vml_jupyter.model import Entry, Release
from vml_jupyter.progress import SILENT, Progress, Stopwatch
from vml_jupyter.release import (
    AvailableRelease,
    Image,
    available,
    local_images,
    parse_release,
    recall_judgement,
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
        RepositoryUnreachable: Likewise, but not every repository could be asked.
    """
    added = find_added(settings, name)
    if added:
        return release_of_added(added)
    asked = parse_release(name)
    known: list[AvailableRelease] = []
    heard = Stopwatch(progress)
    for asking in (False, True):
        known = available(
            settings.image_folders(),
            settings.repositories(),
            settings.cache,
            heard if asking else SILENT,
            asking=asking,
        )
        for line in known:
            if line.release.system == asked.system:
                return _with_bootloader(line.release, asked)
    names = ", ".join(sorted({candidate.release.system for candidate in known})) or "none"
    if heard.notes:
        raise RepositoryUnreachable(
            f"whether there is a CernVM {asked.system} cannot be told, as {'; '.join(heard.notes)} (known: {names})",
            "Check the network, or name another repository (VML_RELEASE_URLS). Without a release, a snapshot can be"
            " taken all the same.",
        )
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
