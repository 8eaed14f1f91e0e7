"""What one release repository offers: its images and its systems, asked for, and remembered for days without network.

    <cache>/catalog-<16 digits>.json     what the repository told last

A published digest rarely changes, so of an image that was offered before only the head of its file is asked for; where
that is gone, or another one, everything is asked anew, of all mirrors.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from msgspec.structs import replace

from vml_jupyter.errors import Foreign, ReleaseError, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import reach
from vml_jupyter.release.history import System, dated_systems, stratum_ones
from vml_jupyter.release.manifest import Keys
from vml_jupyter.release.memory import read_json, write_whole
from vml_jupyter.release.names import ImageName, flavours
from vml_jupyter.release.source import bootloaders, latest, published_file, published_image

_AT_ONCE = 8
_BELIEVED_S = 3600.0

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
    """An image that a repository offers.

    ``size_bytes`` is 0 and ``validator`` is '' where it does not say; the latter is the file's ETag, or its time.
    """

    image: ImageName
    sha256: str
    url: str = ""
    size_bytes: int = 0
    validator: str = ""

    def serves(self, release: Release) -> bool:
        """Tell whether a release boots from it: in its flavour, and from the very file that is recorded, if one is."""
        booted = replace(release, bootloader=self.image.bootloader)
        # The recorded digest is that of the disk; another kind of file has another.
        recorded = release.image_sha256.lower() if self.image.extension == "hdd" else ""
        return self.image.flavour in flavours(booted) and recorded in ("", self.sha256)


class Offered(msgspec.Struct, frozen=True):
    """What a repository told: its newest bootloader, images by bootloader and flavour, and systems.

    ``unsure`` are the images of which not every mirror told whether it has them, and none has; ``absent`` those that
    every mirror said it has not, when all of them were asked last (``asked``, in seconds since 1970).
    """

    newest: str
    offers: dict[str, Offer]
    systems: list[System]
    fresh: bool = False
    unsure: list[str] = []
    absent: list[str] = []
    asked: float = 0.0

    def lately_absent(self) -> set[str]:
        """Return the images that need not be asked for again so soon, unless they are what somebody wants."""
        return set(self.absent) if abs(time.time() - self.asked) < _BELIEVED_S else set()

    def offer(self, release: Release) -> Offer | None:
        """Return the image with which a release is booted: by its own bootloader, else by the newest."""
        found = (self.offers.get(slot) for slot in self._slots(release))
        return next((offer for offer in found if offer and offer.serves(release)), None)

    def is_sure(self, release: Release) -> bool:
        """Tell whether an image that is not offered for a release is known not to be."""
        return self.fresh and not any(slot in self.unsure for slot in self._slots(release))

    def _slots(self, release: Release) -> list[str]:
        booted = replace(release, bootloader=release.bootloader or self.newest)
        return [_slot(booted), _slot(_named(booted))]


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
    return replace(told, fresh=True)


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
    before = remembered or Offered(newest="", offers={}, systems=[])
    # One system of each kind that differs in its images: a foreign list may have thousands of both.
    named = [Release(system=each.release.system, bootloader=listed[0]) for each in known]
    kinds = {_slot(release): release.system for release in named}
    systems = [
        Release(system=system, bootloader=by)
        for system in kinds.values()
        for by in listed[:_MOST_BOOTLOADERS]
    ]
    wanted = [release for release in wanted if release.bootloader]
    usual = {_slot(release): release for release in (*systems, *map(_named, wanted))}
    # Nobody waits for what is in no list of wishes, and what is not there costs most to ask for.
    skipped = before.lately_absent() - {_slot(release) for release in (*wanted, *map(_named, wanted))}
    asked = {slot: release for slot, release in usual.items() if slot not in skipped}
    offers, unsure = _offers(addresses, asked, before.offers)
    told = Offered(newest=listed[0], offers=offers, systems=known, unsure=unsure)
    # The usual image is not always the one that is wanted: another mirror, or another name, may have that.
    special = {_slot(release): release for release in wanted if not told.offer(release)}
    special = {slot: release for slot, release in special.items() if slot not in usual}
    offers, unsure = _offers(addresses, special, before.offers)
    told = replace(told, offers={**told.offers, **offers}, unsure=[*told.unsure, *unsure])
    return replace(
        told,
        absent=[slot for slot in {**usual, **special} if slot not in told.offers and slot not in told.unsure],
        asked=before.asked if skipped else time.time(),
    )


def _named(release: Release) -> Release:
    """Return a release with what its usual image is called by, and no more."""
    return Release(system=release.system, bootloader=release.bootloader)


def _offers(
    addresses: Sequence[str], asked: Mapping[str, Release], old: Mapping[str, Offer]
) -> tuple[dict[str, Offer], list[str]]:
    """Return by slot what is offered for some releases today, and those slots of which nobody could tell."""
    until = time.monotonic() + reach.PATIENCE_S
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="offers") as crew:
        told = crew.map(lambda slot: _offer_now(addresses, asked[slot], old.get(slot), until), asked)
        found = dict(zip(asked, told, strict=True))
    offers = {slot: offer for slot, (offer, _) in found.items() if offer}
    return offers, [slot for slot, (offer, sure) in found.items() if not offer and not sure]


def _offer_now(
    addresses: Sequence[str], release: Release, old: Offer | None, until: float
) -> tuple[Offer | None, bool]:
    """Return what is offered for a release today, and whether every mirror told.

    Args:
        addresses: The mirrors, in order.
        release: What is to boot.
        old: What was offered before.
        until: How long to ask whether that still stands; then it is believed to.
    """
    if old and (time.monotonic() > until or is_still_offered(old)):
        return old, True
    return _offer(addresses, release)


def is_still_offered(offer: Offer) -> bool:
    """Tell whether the file of an offer is still there and the same, as far as is known."""
    if not offer.url:
        return False
    try:
        size_bytes, validator = published_file(offer.url)
    except ReleaseNotFound:
        return False
    except RepositoryUnreachable:
        return True
    if not validator and not offer.validator:  # a server that says no more than how large its files are
        return size_bytes > 0 and size_bytes == offer.size_bytes
    return (size_bytes, validator) == (offer.size_bytes, offer.validator)


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


def _offer(addresses: Sequence[str], release: Release) -> tuple[Offer | None, bool]:
    """Return what the first mirror publishes for a release that any mirror has; and whether every mirror told."""
    sure = True
    for address in addresses:
        try:
            image, sha256 = published_image(address, release)
            if not Offer(image, sha256).serves(release):
                continue
            # Like a fetch: whoever has the file will do, as its digest tells whether it is the one.
            holders = dict.fromkeys((address, *addresses))
            held = _held([f"{holder.rstrip('/')}/{image.path()}" for holder in holders], image, sha256)
            if held:
                return held, True
        except ReleaseNotFound:
            continue
        except (RepositoryUnreachable, Foreign):
            sure = False
    return None, sure


def _held(urls: Sequence[str], image: ImageName, sha256: str) -> Offer | None:
    """Return the offer of the first that has the file, else of the first that does not say, else None."""
    doubtful = None
    for url in urls:
        try:
            return Offer(image, sha256, url, *published_file(url))
        except ReleaseNotFound:
            continue
        except RepositoryUnreachable:
            doubtful = doubtful or Offer(image, sha256, url)
    return doubtful


def _slot(release: Release) -> str:
    """Return what one image is for: ``2021.05-1 v4prod`` boots every system of CernVM 4, if need be in another flavour.

    Where a release insists on its flavour, or on the very file, that is ``2021.05-1/v4testing@0123456789abcdef``.
    """
    file = f"@{release.image_sha256.lower()[:16]}" if release.image_sha256 else ""
    return f"{release.bootloader}{'/' if release.flavour else ' '}{flavours(release)[0]}{file}"


def _memory(repository: Repository, cache: Path) -> Path:
    return cache / f"catalog-{hashlib.sha256(repository.url.encode()).hexdigest()[:16]}.json"
