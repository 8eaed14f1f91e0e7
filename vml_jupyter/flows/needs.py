"""The image that an entry needs: on this computer, to be downloaded, or nowhere.

    release -> folders -> storage pools -> offers that are remembered -> offers of today      the first that has it

What an entry asks for and another asked already is not looked for again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from vml_jupyter.flows.added import added_lines
from vml_jupyter.flows.pools import pool_images
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT
from vml_jupyter.release import (
    Image,
    Offer,
    Offered,
    ask,
    find_local,
    is_still_offered,
    local_images,
    recall_offers,
    why_not_offered,
)

_PATIENCE_S = 2.0


class Need(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that an entry needs.

    ``kind`` is ``image``, ``system`` or ``repository``; ``name`` is a bootloader, a system, a repository, or the path
    of one whose revision was not recorded, ``label`` what people call it. ``state`` is ``here`` or ``downloadable`` for
    an image that can be had, ``there`` for the others, else ``gone`` or ``unknown``; ``reason`` says why. ``where`` is
    an image's path or address, ``checked`` when a server last told, in UTC.
    """

    kind: str
    name: str
    label: str
    state: str
    reason: str = ""
    where: str = ""
    checked: str = ""


class ImageNeeds:
    """The images of some releases.

    Args:
        settings: Where images are.
        releases: All that will be asked for.
        asking: False for what is known without any network.
    """

    def __init__(self, settings: Settings, releases: Sequence[Release], *, asking: bool) -> None:
        self._settings, self._releases, self._asking = settings, releases, asking
        self._found: dict[Release, Need] = {}
        self._standing: dict[str, bool] = {}
        self._until = 0.0

    def of(self, release: Release) -> Need:
        """Return how it stands with the image of a release."""
        if release not in self._found:
            self._found[release] = self._looked_for(release)
        return self._found[release]

    def _looked_for(self, release: Release) -> Need:
        label = (
            f"µCernVM {release.bootloader or '(not recorded: the newest)'}"
            if release.is_micro
            else f"image of {release.label}"
        )
        name = release.bootloader or ("newest" if release.is_micro else release.flavour or release.system)
        need = Need(kind="image", name=name, label=label, state="unknown")
        settings = self._settings
        if release.is_cloud:
            return self._added(release)
        own = find_local(release, (), settings.cache, SILENT, settings.trust(), self._local)
        if own is None and self._asking:
            own = find_local(release, (), settings.cache, SILENT, settings.trust(), self._pooled)
        if own:
            return msgspec.structs.replace(need, state="here", where=str(own.path))
        return self._elsewhere(release, need)

    def _added(self, release: Release) -> Need:
        """Return how it stands with an ordinary cloud image, which is the whole system."""
        for line in added_lines(self._settings):
            if line.name == release.system and line.release.image_sha256 == release.image_sha256:
                where = line.path or line.url
                return Need(
                    kind="image",
                    name=line.name,
                    label=line.name,
                    state=line.state,
                    reason=line.reason,
                    where=where,
                )
        reason = "no image of this name and checksum is added here"
        return Need(kind="image", name=release.system, label=release.system, state="gone", reason=reason)

    def _elsewhere(self, release: Release, need: Need) -> Need:
        # What was offered once has rarely changed, so its file is asked for before anything else is.
        for told in self._tellings():
            for offered in told:
                offer = offered.offer(release) if offered else None
                if offered and offer and (not self._asking or offered.fresh or self._stands(offer)):
                    return msgspec.structs.replace(need, state="downloadable", where=offer.url)
        told = self._told if self._asking else []
        sure = bool(told) and all(offered and offered.is_sure(release) for offered in told)
        reason = f"it is not here, and {why_not_offered(release, told)}"
        return msgspec.structs.replace(need, state="gone" if sure else "unknown", reason=reason)

    def _tellings(self) -> Iterator[list[Offered | None]]:
        """Yield what was offered once, then, if that did not do, what is offered today."""
        yield self._remembered
        if self._asking:
            yield self._told

    def _stands(self, offer: Offer) -> bool:
        """Tell whether an offer still stands; asked for some seconds in all, then it is believed to."""
        self._until = self._until or time.monotonic() + _PATIENCE_S
        if offer.url not in self._standing:
            self._standing[offer.url] = time.monotonic() > self._until or is_still_offered(offer)
        return self._standing[offer.url]

    @cached_property
    def _remembered(self) -> list[Offered | None]:
        return [recall_offers(line, self._settings.cache) for line in self._settings.repositories()]

    @cached_property
    def _told(self) -> list[Offered | None]:
        repositories = self._settings.repositories()
        return [ask(line, self._settings.cache, SILENT, self._releases) for line in repositories]

    @cached_property
    def _local(self) -> list[Image]:
        return local_images(self._settings.image_folders(), self._settings.cache)

    @cached_property
    def _pooled(self) -> list[Image]:
        return pool_images(self._settings)
