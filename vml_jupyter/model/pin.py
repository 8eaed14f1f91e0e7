"""A CernVM-FS repository at one moment: what an entry recorded of it, and what brings that back.

    Mount(path=/cvmfs/sft.cern.ch, revision=4711, root_hash=ab..., tag="")  ->  Pin(fqrn=sft.cern.ch, root_hash=ab...)

The root hash is exact; a tag may be moved, so it counts only where no root hash was recorded. A system can be named by
its tag alone, so its pin says which root hash that tag named: ``expected``. Entries come from colleagues too, and pins
end up in files that a shell reads: what is not made like a name or a hash is no pin.
"""

from __future__ import annotations

import re

import msgspec

from vml_jupyter.model.environment import Environment, Mount
from vml_jupyter.model.release import Release

PRODUCTION = "cernvm-prod.cern.ch"

_FQRN = re.compile(r"(?=.{1,200}\Z)[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)+")
_HASH = re.compile(r"[0-9a-f]{40}(-rmd160|-shake128)?")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Pin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One repository, by root hash or by tag; ``revision`` is for people.

    ``expected`` is the root hash that the tag named when it was recorded, '' where that is not known.

    Raises:
        ValueError: A name, hash or tag is none; so whoever has a pin may write it where a shell reads it.
    """

    fqrn: str
    root_hash: str = ""
    tag: str = ""
    revision: int = 0
    expected: str = ""

    def __post_init__(self) -> None:
        moment = _HASH.fullmatch(self.root_hash) if self.root_hash else _TAG.fullmatch(self.tag)
        known = not self.expected or _HASH.fullmatch(self.expected)
        if not (_FQRN.fullmatch(self.fqrn) and moment and known):
            raise ValueError(f"{self.fqrn!r} at {self.root_hash or self.tag!r} is no CernVM-FS repository")

    @property
    def label(self) -> str:
        """Return what people call it: ``sft.cern.ch, revision 4711``."""
        moment = f"revision {self.revision}" if self.revision else self.tag or self.root_hash[:12]
        return f"{self.fqrn}, {moment}"


def pins_of(environment: Environment) -> tuple[Pin, ...]:
    """Return the pins of the repositories that were mounted below /cvmfs, each once, in the recorded order."""
    found: dict[str, Pin] = {}
    for mount in environment.cvmfs:
        pin = _pin(mount)
        if pin:
            found.setdefault(pin.fqrn, pin)
    return tuple(found.values())


def unpinned(environment: Environment) -> tuple[str, ...]:
    """Return the paths below /cvmfs that were mounted, each once, but of which too little was recorded for a pin."""
    loose = (
        mount.path for mount in environment.cvmfs if mount.path.startswith("/cvmfs/") and not _pin(mount)
    )
    return tuple(dict.fromkeys(loose))


def system_pin(release: Release) -> Pin | None:
    """Return the pin of a CernVM's system, None where the release names none.

    A machine is told the tag, since that is all that micro-CernVM heeds; what the tag must name is the recorded root
    hash.
    """
    fqrn = release.repository or PRODUCTION
    if not (_FQRN.fullmatch(fqrn) and _TAG.fullmatch(release.tag)):
        return None
    expected = release.root_hash if _HASH.fullmatch(release.root_hash) else ""
    return Pin(fqrn=fqrn, tag=release.tag, expected=expected)


def _pin(mount: Mount) -> Pin | None:
    prefix, _, name = mount.path.rpartition("/")
    if prefix != "/cvmfs" or mount.fqrn not in ("", name) or not _FQRN.fullmatch(name):
        return None
    root_hash = mount.root_hash if _HASH.fullmatch(mount.root_hash) else ""
    tag = mount.tag if _TAG.fullmatch(mount.tag) and not root_hash else ""
    return Pin(fqrn=name, root_hash=root_hash, tag=tag, revision=mount.revision) if root_hash or tag else None
