"""Which CernVM releases there are: on this computer, to be downloaded, or gone; newest first.

    systems that a repository tells   x   image on this computer, else image that it offers   ->  here | downloadable
    releases that entries and machines need, and nobody has                                   ->  gone | unknown

A release is an image (the bootloader) and a system; an image boots every system of its repository. So the list has one
line for each system, with the image that is here, else with the one that the repository offers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import msgspec
from msgspec.structs import replace

from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import reach
from vml_jupyter.release.carrier import RAW
from vml_jupyter.release.digests import recall as recall_digest
from vml_jupyter.release.history import System
from vml_jupyter.release.identity import Image
from vml_jupyter.release.local import fits, local_images
from vml_jupyter.release.names import bootloader_key, flavours, system_key
from vml_jupyter.release.repository import Offer, Offered, Repository, ask, recall


class AvailableRelease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One release that a notebook can be brought back to, or cannot any more.

    ``state`` is ``here`` (``path`` is the image), ``downloadable`` (``url`` is), ``gone`` (an entry or a machine
    needs it and nobody has it), or ``unknown`` (likewise, but not everybody could be asked); ``reason`` says why it
    is gone. ``name`` is what people call a release that is no CernVM. ``published`` is the day on which the system
    was published, ``source`` the repository that told of it, ``size_bytes`` the image's (0: not known), ``what``
    says in words what it is.
    """

    release: Release
    state: str
    name: str = ""
    path: str = ""
    url: str = ""
    published: str = ""
    source: str = ""
    size_bytes: int = 0
    what: str = ""
    reason: str = ""


def available(
    folders: Sequence[Path],
    repositories: Sequence[Repository | str],
    cache: Path | None = None,
    progress: Progress = SILENT,
    *,
    more: Sequence[Image] = (),
    needed: Iterable[Release] = (),
    asking: bool = True,
) -> list[AvailableRelease]:
    """Return every release that is here or can be downloaded, and those that are needed, newest system first.

    Repositories that do not answer cost two seconds together and a note each; what they offered last time counts then.

    Args:
        folders: Where images may lie on this computer.
        repositories: The first that has a system is the one that is listed.
        cache: The folder for what is remembered; None remembers nothing.
        progress: Is told, as notes, what could not be asked.
        more: Images that lie elsewhere on this computer.
        needed: Releases that entries and machines were made in.
        asking: False for what is remembered only, without any network.
    """
    needed = list(needed)
    here = [image for image in [*local_images(folders, cache), *more] if not image.damage]
    table = [line if isinstance(line, Repository) else Repository(url=line) for line in repositories]
    told = _told(table, cache, progress, needed, asking=asking)
    found: dict[tuple[str, str], AvailableRelease] = {}
    for repository, offered in told:
        for system in offered.systems if offered else ():
            line = _line(repository, offered, system, here, cache)
            if line:
                found.setdefault((system.release.system, line.release.flavour), line)
    lines = list(found.values())
    for release in needed:
        standing_ = standing(release, here, told, cache)
        if not any(_names_same(line.release, release) for line in lines):
            lines.append(standing_)
    if here and not any(line.state == "here" for line in lines):
        names = ", ".join(sorted({image.path.name for image in here}))
        progress.note(f"images are here ({names}), but no repository tells which systems they boot")
    return sorted(lines, key=lambda line: system_key(line.release.system), reverse=True)


def standing(
    release: Release,
    here: Sequence[Image],
    told: Sequence[tuple[Repository, Offered | None]],
    cache: Path | None = None,
) -> AvailableRelease:
    """Return how it stands with one release: whether its image is here or offered, and its system still published.

    Args:
        release: As an entry records it.
        here: The whole images on this computer.
        told: What each repository answered or told last; None where it never told anything.
        cache: The folder in which digests are remembered.
    """
    systems = [
        (repository, system)
        for repository, offered in told
        for system in (offered.systems if offered else ())
        if system.release.system == release.system
    ]
    everybody = bool(told) and all(offered and offered.fresh for _, offered in told)
    sure = everybody and all(offered and offered.is_sure(release) for _, offered in told)
    line = AvailableRelease(
        release=release,
        state="gone" if sure else "unknown",
        published=_day(systems[0][1].time) if systems else "",
        source=systems[0][0].url if systems else "",
    )
    if everybody and not systems:
        return replace(line, state="gone", reason="no repository has this system any more")
    own = _best(image for image in here if fits(image, release) and _may_be_it(image, release, cache))
    if own:
        return _with_image(line, own)
    for _, offered in told:
        offer = offered.offer(release) if offered else None
        if offer:
            return _with_offer(line, offer)
    return replace(line, reason=why_not_offered(release, [offered for _, offered in told]))


def why_not_offered(release: Release, told: Sequence[Offered | None]) -> str:
    """Return in words why nobody offers the image of a release: gone, replaced by another, or not known."""
    if not told or not all(offered and offered.is_sure(release) for offered in told):
        return "not everybody could be asked"
    any_file = replace(release, image_sha256="")
    if any(offered and offered.offer(any_file) for offered in told):
        return "what is offered under its name is another file than the recorded one"
    return "nobody has its image"


def _told(
    table: Sequence[Repository],
    cache: Path | None,
    progress: Progress,
    needed: Sequence[Release],
    *,
    asking: bool,
) -> list[tuple[Repository, Offered | None]]:
    if not asking:
        return [(repository, recall(repository, cache)) for repository in table]
    # All at once, so that dead servers do not add up.
    reach.answering(
        url for repository in table for url in (*repository.addresses(), *repository.stratum_ones())
    )
    return [(repository, ask(repository, cache, progress, needed)) for repository in table]


def _line(
    repository: Repository, offered: Offered | None, system: System, here: Sequence[Image], cache: Path | None
) -> AvailableRelease | None:
    """Return what is to be said of one system, None where no image boots it."""
    assert offered is not None
    wanted = replace(system.release, bootloader=system.bootloader)
    offer = offered.offer(wanted)
    line = AvailableRelease(
        release=system.release, state="", published=_day(system.time), source=repository.url
    )
    own = _best(
        image
        for image in here
        if (image.flavour == offer.image.flavour if offer else _boots(image, wanted))
        and system.bootloader in ("", image.bootloader)
    )
    published = next((image for image in here if offer and image.path.parent.name == offer.sha256), None)
    if own and published and own.bootloader == published.bootloader:
        own = published  # of two that are called the same, the one that is offered today
    if own is None:
        if offer is None:
            return None
        sha256 = offer.sha256 if offer.image.extension == "hdd" else ""
        release = _booted(system.release, offer.image.bootloader, offer.image.flavour, sha256)
        return _with_offer(replace(line, release=release), offer)
    # Only a digest that is known already: listing must not read gigabytes.
    sha256 = recall_digest(own.path, cache) if own.kind == RAW else ""
    release = _booted(system.release, own.bootloader, own.flavour, sha256)
    return _with_image(replace(line, release=release), own)


def _booted(release: Release, bootloader: str, flavour: str, sha256: str) -> Release:
    return replace(release, bootloader=bootloader, flavour=flavour, image_sha256=sha256)


def _with_image(line: AvailableRelease, image: Image) -> AvailableRelease:
    what = _what(image.bootloader, image.flavour, image.kind)
    return replace(line, state="here", path=str(image.path), size_bytes=image.size_bytes, what=what)


def _with_offer(line: AvailableRelease, offer: Offer) -> AvailableRelease:
    kind = RAW if offer.image.extension == "hdd" else offer.image.extension
    what = _what(offer.image.bootloader, offer.image.flavour, kind)
    return replace(line, state="downloadable", url=offer.url, size_bytes=offer.size_bytes, what=what)


def _best(images: Iterable[Image]) -> Image | None:
    return max(images, key=lambda image: (bootloader_key(image.bootloader), image.kind == RAW), default=None)


def _boots(image: Image, release: Release) -> bool:
    return image.flavour in flavours(replace(release, bootloader=image.bootloader))


def _may_be_it(image: Image, release: Release, cache: Path | None) -> bool:
    """Tell whether an image can be the recorded one: not where it is a disk that is known to be another."""
    if image.kind != RAW or not release.image_sha256:
        return True
    return recall_digest(image.path, cache) in ("", release.image_sha256.lower())


def _names_same(one: Release, other: Release) -> bool:
    """Tell whether a line of the list is what another release means, as far as both say."""
    if one.system != other.system or other.bootloader not in ("", one.bootloader):
        return False
    pairs = ((one.flavour, other.flavour), (one.image_sha256.lower(), other.image_sha256.lower()))
    return all(not told or not wanted or told == wanted for told, wanted in pairs)


def _what(bootloader: str, flavour: str, kind: str) -> str:
    return f"µCernVM {bootloader} ({flavour or 'unknown flavour'}, {'disk' if kind == RAW else kind})"


def _day(seconds: int) -> str:
    # A foreign number may be beyond every calendar.
    if not 0 < seconds < 253_402_300_800:
        return ""
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()
