"""In what a machine will not be what its entry recorded, because the user chose so or because nobody recorded it.

recorded release, recorded pins  x  chosen release, chosen pins  ->  kept with the machine for as long as it lives
"""

from __future__ import annotations

from collections.abc import Sequence

from vml_jupyter.model import NOT_RECORDED, Difference, Environment, Pin, Release, pins_of, unpinned

_FIELDS = ("bootloader", "repository", "path")
_NEWEST = "newest"


def differences(recorded: Environment, release: Release, pins: Sequence[Pin]) -> tuple[Difference, ...]:
    """Return what is not as recorded, and what was there but left open; nothing where nothing was recorded at all."""
    found = list(_of_release(recorded.release, release)) if recorded.release else []
    kept = {pin.fqrn for pin in pins}
    for pin in pins_of(recorded):
        if pin.fqrn not in kept:
            moment = pin.label.partition(", ")[2]
            found.append(Difference(what=pin.fqrn, recorded=moment, here=_NEWEST))
    loose = unpinned(recorded)
    return (*found, *(Difference(what=path, recorded=NOT_RECORDED, here=_NEWEST) for path in loose))


def _of_release(recorded: Release, release: Release) -> Sequence[Difference]:
    found = []
    if recorded.system != release.system:
        found.append(Difference(what="release", recorded=recorded.label, here=release.label))
    elif recorded.root_hash and release.root_hash and recorded.root_hash != release.root_hash:
        # Of two versions it is no news that they are of two revisions.
        found.append(Difference(what="root_hash", recorded=recorded.root_hash, here=release.root_hash))
    if release.bootloader and not recorded.bootloader:
        found.append(Difference(what="bootloader", recorded=NOT_RECORDED, here=release.bootloader))
    for name in _FIELDS:
        before, after = getattr(recorded, name), getattr(release, name)
        if before and after and before != after:
            found.append(Difference(what=name, recorded=before, here=after))
    return found
