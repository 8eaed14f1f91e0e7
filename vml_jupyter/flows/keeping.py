"""Taking an image off this computer, but never one that an entry or a machine needs unless told.

vml releases remove 2021.05-1 -> images in <data>/releases -> who needs them? -> refused, with the list | removed

Machines need them, and entries: those of every logbook that the settings name, and what is in their bins, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vml_jupyter.errors import LogbookError, LogbookMissing, NotFound, ReleaseNeeded, Usage
from vml_jupyter.flows.added import added_images, digest_file, drop, find_added, kept_file, root_file
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import recorded_machines
from vml_jupyter.model import Entry, Query
from vml_jupyter.model.address import masked
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import Image, fits, local_images, recall

_NAMED = 5


def remove(settings: Settings, name: str, *, force: bool = False, progress: Progress = SILENT) -> list[Path]:
    """Remove the images of a bootloader, one file, or what the user added under a name; return what was removed.

    Only files in VML's own folder of releases are ever removed: the user's downloads and pools are the user's.

    Args:
        settings: Where things lie.
        name: ``2021.05-1``, ``2021.05-1/v4prod``, the beginning of a SHA-256 (at least 8 digits), a path, or the name
            of an added image.
        force: True removes also what is needed.
        progress: Is told, with ``force``, who needed it.

    Raises:
        NotFound: No image of ours is called so.
        ReleaseNeeded: An entry or a machine needs it; or that cannot be known.
    """
    if find_added(settings, name):
        needed = list(_needs_added(settings, name, force=force))
        _refuse(name, needed, force=force, progress=progress)
        return _remove_added(settings, name)
    images = [image for image in local_images([settings.releases], settings.cache) if _is_named(image, name)]
    if not images:
        raise NotFound(
            f"no image in {settings.releases} is called {name!r}",
            "`vml releases` lists them; only images that VML downloaded itself can be removed.",
        )
    _refuse(name, list(_needs(settings, images, force=force)), force=force, progress=progress)
    for image in images:
        _unlink(settings, image.path)
    return [image.path for image in images]


def _refuse(name: str, needed: list[str], *, force: bool, progress: Progress) -> None:
    """Refuse to remove what is needed, or say who needs it where the user insists."""
    if needed and not force:
        more = f" and {len(needed) - _NAMED} more" if len(needed) > _NAMED else ""
        raise ReleaseNeeded(
            f"{name} is needed by {', '.join(needed[:_NAMED])}{more}",
            "Delete those first, or say --force: they then need it downloaded again, which may not be possible.",
        )
    for who in needed:
        progress.note(f"{who} needs what is removed")


def _remove_added(settings: Settings, name: str) -> list[Path]:
    image = drop(settings, name)
    file = kept_file(settings, image)
    shared = any(other.sha256 == image.sha256 for other in added_images(settings))
    if shared:
        return []
    removed = [] if image.is_local else [file]
    disk = root_file(settings, image)
    digest_file(disk).unlink(missing_ok=True)
    removed = [each for each in (*removed, disk) if each.is_file()]
    for each in removed:
        _unlink(settings, each)
    return removed


def _unlink(settings: Settings, file: Path) -> None:
    if not file.resolve().is_relative_to(settings.releases.resolve()):
        raise Usage(f"{file} is not in VML's own folder", "Remove it yourself.")
    file.unlink(missing_ok=True)
    if file.parent != settings.releases:
        with contextlib.suppress(OSError):  # something else is still in it
            file.parent.rmdir()


def _is_named(image: Image, name: str) -> bool:
    digest = image.path.parent.name
    return name in (
        image.bootloader,
        f"{image.bootloader}/{image.flavour}",
        str(image.path),
        image.path.name,
    ) or (len(name) >= 8 and len(digest) == 64 and digest.startswith(name.lower()))


def _needs_added(settings: Settings, name: str, *, force: bool) -> Iterator[str]:
    """Yield who needs an image that the user added under this name."""
    for spec in recorded_machines(settings.machines):
        if spec.release.system == name:
            yield f"machine {spec.id}"
    for who, entry in _entries(settings, force=force):
        if entry.environment.release and entry.environment.release.system == name:
            yield who


def _entries(settings: Settings, *, force: bool) -> Iterator[tuple[str, Entry]]:
    """Yield all entries of all logbooks, each with how it is called; where the user insists, of those that open."""
    for place in dict.fromkeys((settings.logbook, *settings.logbooks.values())):
        called = "" if place == settings.logbook else f" of logbook {_name(settings, place)}"
        try:
            with opened(_in_logbook(settings, place)) as logbook:
                for bin_ in (False, True):
                    for entry in logbook.listed(Query(forgotten=bin_)).entries:
                        yield f"entry {entry.id}{' in the bin' if bin_ else ''}{called}", entry
        except LogbookMissing:
            if _is_expected(settings, place) and not force:
                raise _not_known(
                    settings, place, "it is not there now, as where a disk is not mounted"
                ) from None
        except (LogbookError, Usage) as error:
            if not force:
                raise _not_known(settings, place, error.message) from error


def _in_logbook(settings: Settings, place: str) -> Settings:
    """Return the settings with another logbook in use: the password that was given is that of the one in use."""
    if place == settings.logbook:
        return settings
    return replace(settings, logbook=place, logbook_password=None)


def _is_expected(settings: Settings, place: str) -> bool:
    """Tell whether a logbook should be here: then a disk is missing, and not its first snapshot.

    The settings name it, or this user has its password, which is there before the logbook is.
    """
    return place in settings.logbooks.values() or replace(settings, logbook=place).password_file().exists()


def _name(settings: Settings, place: str) -> str:
    return next((name for name, each in settings.logbooks.items() if each == place), "")


def _not_known(settings: Settings, place: str, why: str) -> ReleaseNeeded:
    name = _name(settings, place)
    called = f"{name} ({masked(place)})" if name else masked(place)
    return ReleaseNeeded(
        f"which entries need it is not known, as the logbook {called} cannot be read: {why}",
        "See that it opens, take it out of the setting `logbooks`, or say --force.",
    )


def _needs(settings: Settings, images: list[Image], *, force: bool) -> Iterator[str]:
    """Yield who needs one of these images: machines that boot from it, entries that only it can bring back here."""
    paths = {image.path.resolve() for image in images}
    for spec in recorded_machines(settings.machines):
        if spec.image.resolve() in paths:
            yield f"machine {spec.id}"
    others = [
        image
        for image in local_images(settings.image_folders(), settings.cache)
        if image.path.resolve() not in paths and not image.damage
    ]
    for who, entry in _entries(settings, force=force):
        release = entry.environment.release
        if release is None or release.is_cloud:
            continue
        known = [recall(image.path, settings.cache) for image in images]
        if release.image_sha256 and all(known) and release.image_sha256 not in known:
            continue
        if any(fits(image, release) for image in images) and not any(
            fits(image, release) for image in others
        ):
            yield who
