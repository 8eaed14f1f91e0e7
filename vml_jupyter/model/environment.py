"""What a notebook ran in, as recorded with its entry."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from vml_jupyter.model.release import Release

Short = Annotated[str, Meta(max_length=1_000)]
Packages = Annotated[dict[Short, Short], Meta(max_length=20_000)]


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record of one process's surroundings.

    ``release`` is None on a computer that is no CernVM and where none was chosen; ``release_chosen``
    is True where the user named it because it could not be detected. ``packages`` maps distribution
    name to version.
    """

    release: Release | None = None
    release_chosen: bool = False
    os: Short = ""
    kernel: Short = ""
    architecture: Short = ""
    cpu: Short = ""
    python: Short = ""
    kernelspec: Short = ""
    packages: Packages = {}
