"""What the VML VM is made of, and the digests that say when to make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vml_jupyter.appliance import own
from vml_jupyter.building.recipes import digest_of

HERE = Path(__file__).parent
IMAGE_DATA = HERE / "image"

DEBIAN_SUITE = "bookworm"
NAME = "vml-vm"
SYSTEM_GIB = 8
"""How large the system's disk claims to be; a file has what is in it."""


def base_digest(pins: Sequence[str]) -> str:
    """Return 16 hex digits over what Debian and the Python packages are installed from."""
    return digest_of([IMAGE_DATA], pins)


def digest(pins: Sequence[str]) -> str:
    """Return 16 hex digits over everything, this VML included."""
    mine = (
        f"{inside} {hashlib.sha256(file.read_bytes()).hexdigest()}" for inside, file in own.files().items()
    )
    return digest_of([HERE], [*pins, *mine])
