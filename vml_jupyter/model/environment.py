"""What a notebook ran in, as recorded with its entry.

Every field but the first ones came later, so each has a default that means: nobody told. Entries come from
colleagues too, so what is longer than anything that VML writes is refused when it is read.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from vml_jupyter.model.release import Release

SHORT = 1_000
LONG = 10_000
MANY = 1_000
PACKAGES = 20_000

Short = Annotated[str, Meta(max_length=SHORT)]
Long = Annotated[str, Meta(max_length=LONG)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Packages = Annotated[dict[Short, Short], Meta(max_length=PACKAGES)]
Variables = Annotated[dict[Short, Long], Meta(max_length=MANY)]
Notes = Annotated[tuple[Short, ...], Meta(max_length=MANY)]


class Mount(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mounted CernVM-FS repository, as it names itself.

    ``path`` is where it was mounted, ``/cvmfs/sft.cern.ch``; ``fqrn`` its full name; ``tag`` the tag that it
    was mounted by, empty where it follows the newest revision. ``unknown`` says why it told nothing.
    """

    path: Short
    fqrn: Short = ""
    revision: Count = 0
    root_hash: Short = ""
    tag: Short = ""
    unknown: Short = ""


class Software(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One stack of software that was set up: an LCG view, an experiment's release, a virtual environment."""

    name: Short
    version: Short = ""
    platform: Short = ""
    path: Long = ""


class Checkout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The git checkout that a working area is, or is a part of.

    ``folder`` is its top. ``commit`` is empty before the first one, ``branch`` where none is checked out.
    ``state`` speaks of the working area alone: ``clean``, ``dirty`` with the number of tracked files that
    differ and of those (or folders) that git does not know, or ``unknown`` for the reason that is given.
    """

    folder: Long
    commit: Short = ""
    branch: Short = ""
    state: Short = ""
    changed: Count = 0
    untracked: Count = 0
    unknown: Short = ""


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record of one kernel's surroundings.

    ``cernvm`` tells whether the computer is a CernVM, None where nobody looked. ``release`` is None where it is
    none and none was chosen; ``release_chosen`` is True where the user named it because it could not be
    detected. ``release_tag`` is the CernVM-FS tag that its system was mounted by, possibly a rolling one.
    ``python``, ``interpreter`` and ``packages`` (name in normalised form to version) are those of the kernel.
    ``variables`` are those of an allow-list. ``notes`` are sentences about what could not be told.
    """

    release: Release | None = None
    release_chosen: bool = False
    cernvm: bool | None = None
    release_tag: Short = ""
    os: Short = ""
    kernel: Short = ""
    architecture: Short = ""
    container: Short = ""
    container_image: Short = ""
    cpu: Short = ""
    cpu_flags: Long = ""
    python: Short = ""
    interpreter: Short = ""
    kernelspec: Short = ""
    language: Short = ""
    software: Annotated[tuple[Software, ...], Meta(max_length=MANY)] = ()
    cvmfs: Annotated[tuple[Mount, ...], Meta(max_length=MANY)] = ()
    git: Checkout | None = None
    variables: Variables = {}
    packages: Packages = {}
    notes: Notes = ()

    def __repr__(self) -> str:
        """Say what it is in one line; the fields have the rest."""
        release = self.release.label if self.release else "no CernVM"
        python = f"Python {self.python} with {len(self.packages)} packages" if self.python else ""
        return f"<Environment {', '.join(filter(None, (release, self.os, self.architecture, python)))}>"
