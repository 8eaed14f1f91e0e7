"""The verbs of CernVM releases, and of what this computer can run: releases, fetch, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.added import AddedImage
    from vml_jupyter.flows.doctor import Report
    from vml_jupyter.flows.releases import KnownImage
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.release import AvailableRelease


def releases(
    *, asking: bool = True, settings: Settings | None = None, progress: Progress = SILENT
) -> list[AvailableRelease]:
    """Return every release that is here, can be downloaded, or is needed by an entry or a machine; newest first.

    Args:
        asking: False for what is known without any network.
        settings: Where to look.
        progress: Is told, as notes, who could not be asked.
    """
    from vml_jupyter.flows.releases import list_releases

    return list_releases(bound(settings), progress, asking=asking)


def images(*, settings: Settings | None = None, progress: Progress = SILENT) -> list[KnownImage]:
    """Return every CernVM image on this computer, also damaged ones, with what is known of its signature."""
    from vml_jupyter.flows.releases import list_images

    return list_images(bound(settings), progress)


def fetch(release: str, *, settings: Settings | None = None, progress: Progress = SILENT) -> Path:
    """Download a release and verify it, unless it is here; return the image's file.

    Args:
        release: ``4.5.0.1``, ``4.5.0.1@2021.05-1``, or the name of a cloud image that was added.
        settings: Which repositories, and where images are kept.
        progress: Who listens.

    Raises:
        Usage: The word is no CernVM version.
        ReleaseError: It cannot be had, or is not what was published.
        DiskFull: There is no room for it.
    """
    from vml_jupyter.flows.added import find_added, provide_added
    from vml_jupyter.flows.provide import provide
    from vml_jupyter.flows.releases import named_release

    known = bound(settings)
    added = find_added(known, release)
    if added:
        return provide_added(known, added, progress)
    return provide(known, named_release(known, release, progress), progress)


def releases_add(
    name: str,
    url: str,
    sha256: str,
    what: str = "",
    *,
    setup: str = "",
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> AddedImage:
    """Add an ordinary cloud image with its published checksum, so that entries can be restored into it by name.

    Args:
        name: What to call it.
        url: A web address or a file.
        sha256: 64 hex digits.
        what: What it is, in words.
        setup: The text of a script that each machine runs as root at its first boot, for what the image lacks.
        settings: Where it is noted.
        progress: Who listens.

    Raises:
        Usage: A name, address or checksum is none.
        WouldOverwrite: The name is taken.
    """
    from vml_jupyter.flows.added import add

    return add(bound(settings), name, url, sha256, what, progress, setup=setup)


def releases_remove(
    name: str, *, force: bool = False, settings: Settings | None = None, progress: Progress = SILENT
) -> list[Path]:
    """Remove an image that VML keeps, and return the files that are gone.

    Args:
        name: A bootloader (``2021.05-1``), a file, or a cloud image that was added.
        force: Even if an entry or a machine needs it.
        settings: Where images are kept.
        progress: Who listens.

    Raises:
        NotFound: There is none of that name.
        ReleaseNeeded: Something needs it.
    """
    from vml_jupyter.flows.keeping import remove

    return remove(bound(settings), name, force=force, progress=progress)


def doctor(*, again: bool = False, settings: Settings | None = None, progress: Progress = SILENT) -> Report:
    """Return what this computer can run, and how to mend what it cannot.

    Args:
        again: Try the accelerators again, though they are known.
        settings: Which hypervisor.
        progress: Who listens.
    """
    from vml_jupyter.flows import doctor as flow

    return flow.doctor(bound(settings), again=again, progress=progress)
