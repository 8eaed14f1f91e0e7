"""What one release repository offers: its images and its systems, asked for, and remembered for days without network.

    <cache>/catalog-<16 digits>.json     what the repository told last

A published digest never changes, so what was told once of an image is not asked for again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign, ReleaseError, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import reach
from vml_jupyter.release.history import System, dated_systems, stratum_ones
from vml_jupyter.release.manifest import Keys
from vml_jupyter.release.memory import read_json, write_whole
from vml_jupyter.release.names import ImageName, flavours
from vml_jupyter.release.source import bootloaders, latest, published_image, published_size

_MOST_BOOTLOADERS = 100  # of which each costs some questions; CernVM has published a few dozen


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """Where releases come from: a line of the table of sources.

    ``mirrors`` have the same layout and are asked in turn; ``systems`` are the servers of CernVM-FS (Stratum 1) that
    tell the systems, by default the address itself, or CernVM's own; ``keys`` is a folder of the CernVM-FS master
    keys with which their lists must be signed.
    """

    url: str
    mirrors: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()
    keys: Path | None = None

    def addresses(self) -> tuple[str, ...]:
        """Return the address and its mirrors, in order."""
        return (self.url, *self.mirrors)

    def stratum_ones(self) -> tuple[str, ...]:
        """Return the servers that are asked for systems, in order."""
        return self.systems or tuple(server for url in self.addresses() for server in stratum_ones(url))


class Offer(msgspec.Struct, frozen=True):
    """An image that a repository offers; ``size_bytes`` is 0 where it does not say."""

    image: ImageName
    sha256: str
    url: str = ""
    size_bytes: int = 0


class Offered(msgspec.Struct, frozen=True):
    """What a repository told: its newest bootloader, images by bootloader and major version, and systems."""

    newest: str
    offers: dict[str, Offer]
    systems: list[System]
    fresh: bool = False

    def offer(self, bootloader: str, system: str) -> Offer | None:
        """Return the image with which a system is booted by a bootloader."""
        return self.offers.get(_slot(bootloader, system))


def ask(
    repository: Repository,
    cache: Path | None = None,
    progress: Progress = SILENT,
    wanted: Iterable[Release] = (),
) -> Offered | None:
    """Return what a repository offers, else what it offered last, else None; says by a note which.

    Args:
        repository: Which one.
        cache: The folder for what is remembered; None remembers nothing.
        progress: Is told, as a note, that it could not be asked.
        wanted: Releases whose bootloaders are asked for beside those that the repository lists.
    """
    remembered = recall(repository, cache)
    try:
        told = _ask(repository, remembered, list(wanted))
    except (ReleaseError, Foreign, Usage) as error:
        progress.note(f"{error.message}{'; listing what it offered last time' if remembered else ''}")
        return remembered
    if cache:
        write_whole(_memory(repository, cache), msgspec.json.encode(told))
    return msgspec.structs.replace(told, fresh=True)


def recall(repository: Repository, cache: Path | None) -> Offered | None:
    """Return what a repository told last, without asking it."""
    found: Offered | None = read_json(_memory(repository, cache), Offered) if cache else None
    return found


def _ask(repository: Repository, remembered: Offered | None, wanted: Sequence[Release]) -> Offered:
    addresses, servers = repository.addresses(), repository.stratum_ones()
    reach.answering([*addresses, *servers])
    # The cheapest question first: when it is not answered, no other is asked.
    address = _first_that_answers(addresses)
    known = _systems(servers, repository.keys)
    listed = bootloaders(address)
    # One system of each kind that differs in its images: a foreign list may have thousands of both.
    kinds = {_slot(listed[0], system.release.system): system.release.system for system in known}
    pairs = [(bootloader, system) for bootloader in listed[:_MOST_BOOTLOADERS] for system in kinds.values()]
    pairs += [(release.bootloader, release.system) for release in wanted if release.bootloader]
    slots = {_slot(*pair): pair for pair in pairs}
    old = remembered.offers if remembered else {}
    offers = {}
    for slot, (bootloader, system) in slots.items():
        offer = old.get(slot) or _offer(addresses, bootloader, system)
        if offer:
            offers[slot] = offer
    return Offered(newest=listed[0], offers=offers, systems=known)


def _first_that_answers(addresses: Sequence[str]) -> str:
    for address in addresses[:-1]:
        with contextlib.suppress(RepositoryUnreachable, Foreign, ReleaseNotFound):
            latest(address, reach.PATIENCE_S)
            return address
    latest(addresses[-1], reach.PATIENCE_S)
    return addresses[-1]


def _systems(servers: Sequence[str], keys: Path | None) -> list[System]:
    trusted = Keys.of(keys)
    for server in servers[:-1]:
        with contextlib.suppress(RepositoryUnreachable, Foreign, ReleaseNotFound):
            return dated_systems(server, keys=trusted)
    return dated_systems(servers[-1], keys=trusted)


def _offer(addresses: Sequence[str], bootloader: str, system: str) -> Offer | None:
    """Return what the first mirror that has it publishes for a bootloader and a major version."""
    for address in addresses:
        with contextlib.suppress(RepositoryUnreachable, Foreign, ReleaseNotFound):
            image, sha256 = published_image(address, Release(system=system, bootloader=bootloader))
            url = f"{address.rstrip('/')}/{image.path()}"
            return Offer(image, sha256, url, published_size(address, image))
    return None


def _slot(bootloader: str, system: str) -> str:
    """Return what one image is for: ``2021.05-1 v4prod`` boots every system of CernVM 4."""
    return f"{bootloader} {flavours(Release(system=system, bootloader=bootloader))[0]}"


def _memory(repository: Repository, cache: Path) -> Path:
    return cache / f"catalog-{hashlib.sha256(repository.url.encode()).hexdigest()[:16]}.json"
