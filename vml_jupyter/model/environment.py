"""What a notebook ran in, as recorded with its entry."""

from __future__ import annotations

import msgspec

from vml_jupyter.model.release import Release


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Record of one process's surroundings.

    ``release`` is None on a computer that is no CernVM and where none was chosen; ``release_chosen``
    is True where the user named it because it could not be detected. ``packages`` maps distribution
    name to version.
    """

    release: Release | None = None
    release_chosen: bool = False
    os: str = ""
    kernel: str = ""
    architecture: str = ""
    cpu: str = ""
    python: str = ""
    kernelspec: str = ""
    packages: dict[str, str] = {}
