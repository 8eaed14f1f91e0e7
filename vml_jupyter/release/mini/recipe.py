"""What a mini release is: its versions, its systems, and the digest that says when to build it again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

VERSION = "2021.05-1"
ARCH = "x86_64"
FLAVOUR = "mini"
REPOSITORY = "cernvm-prod.cern.ch"
CERNVM_PATH = "cvm4"
ROLLING_TAG = "HEAD4"
DEBIAN_SUITE = "bookworm"
PYTHON = "3.11"

HERE = Path(__file__).parent
IMAGE_DATA = HERE / "image"


@dataclass(frozen=True)
class System:
    """One operating system version that the image can boot; ``published`` is in Unix seconds."""

    version: str
    revision: int
    published: int

    @property
    def tag(self) -> str:
        """Return the CernVM-FS tag: ``cernvm-system-4.5.0.1``."""
        return f"cernvm-system-{self.version}"

    @property
    def lock_file(self) -> Path:
        """Return the file that pins this system's Python packages."""
        return HERE / "locks" / f"{self.tag}.txt"

    @property
    def root_hash(self) -> str:
        """Return 40 hex digits that name this system's content, as a CernVM-FS root hash does."""
        content = f"{self.tag}\n".encode() + self.lock_file.read_bytes()
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()


SYSTEMS = (
    System(version="4.5.0.1", revision=450, published=1725148800),
    System(version="4.5.1.0", revision=451, published=1769904000),
)
"""Oldest first; the last is what the rolling tag means."""


def full_version() -> str:
    """Return ``2021.05-1.cernvm.x86_64``."""
    return f"{VERSION}.cernvm.{ARCH}"


def image_path() -> Path:
    """Return where the image lies in a release repository, relative to its root."""
    return Path("releases", f"ucernvm-images.{full_version()}", f"ucernvm-{FLAVOUR}.{full_version()}.hdd")


def digest() -> str:
    """Return 16 hex digits over every source and data file of this builder."""
    total = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            total.update(f"{file.relative_to(HERE)}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]
