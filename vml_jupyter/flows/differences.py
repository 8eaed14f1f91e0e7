"""In what a machine will not be what its entry recorded, because the user chose so.

recorded release, recorded pins  x  chosen release, chosen pins  ->  kept with the machine for as long as it lives
"""

from __future__ import annotations

from collections.abc import Sequence

from vml_jupyter.model import Difference, Environment, Pin, Release, pins_of

_FIELDS = ("bootloader", "repository", "path")


def differences(recorded: Environment, release: Release, pins: Sequence[Pin]) -> tuple[Difference, ...]:
    """Return what is not as recorded; nothing where nothing was recorded that could differ."""
    found = list(_of_release(recorded.release, release)) if recorded.release else []
    kept = {pin.fqrn for pin in pins}
    for pin in pins_of(recorded):
        if pin.fqrn not in kept:
            moment = pin.label.partition(", ")[2]
            found.append(Difference(what=pin.fqrn, recorded=moment, here="newest"))
    return tuple(found)


def _of_release(recorded: Release, release: Release) -> Sequence[Difference]:
    found = []
    if recorded.system != release.system:
        found.append(Difference(what="release", recorded=recorded.label, here=release.label))
    for name in _FIELDS:
        before, after = getattr(recorded, name), getattr(release, name)
        if before and after and before != after:
            found.append(Difference(what=name, recorded=before, here=after))
    return found
