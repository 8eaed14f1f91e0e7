"""What a mini release is: its bootloaders, systems and repositories, and the digest that says when to build it again.

    bootloader 2020.07-1   ucernvm-v4prod.2020.07-1...qcow2   unsigned
    bootloader 2021.05-1   ucernvm-mini.2021.05-1...hdd       signed
    systems    4.4.0.1 (its tag asks for 2020.07-1), 4.5.0.1, 4.5.1.0
    repository sft.cern.ch in two revisions

Systems and repositories, which a real bootloader mounts from the network, are the second partition of either image.

``GONE`` is a system, ``GONE_REVISION`` a revision, that were published once: neither is in a history, its catalog is
on no server, and no image holds it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.building import wheels
from vml_jupyter.building.recipes import digest_of
from vml_jupyter.release.mini.catalogs import catalog, object_name

ARCH = "x86_64"
REPOSITORY = "cernvm-prod.cern.ch"
CERNVM_PATH = "cvm4"
ROLLING_TAG = "HEAD4"
DEBIAN_SUITE = "bookworm"
PYTHON = wheels.PYTHON

HERE = Path(__file__).parent
IMAGE_DATA = HERE / "image"


@dataclass(frozen=True)
class Bootloader:
    """One image: its kernel's own options, and the one kind of file that it is published as."""

    version: str
    flavour: str
    extension: str
    options: str = ""

    @property
    def full_version(self) -> str:
        """Return ``2021.05-1.cernvm.x86_64``."""
        return f"{self.version}.cernvm.{ARCH}"

    @property
    def path(self) -> Path:
        """Return where the image lies in a release repository, relative to its root."""
        file = f"ucernvm-{self.flavour}.{self.full_version}.{self.extension}"
        return Path("releases", f"ucernvm-images.{self.full_version}", file)


@dataclass(frozen=True)
class System:
    """One operating system version that the images can boot; ``published`` is in Unix seconds.

    ``bootloader`` is the one that its tag's description asks for, '' for any.
    """

    version: str
    revision: int
    published: int
    bootloader: str = ""

    fqrn = REPOSITORY

    @property
    def tag(self) -> str:
        """Return the CernVM-FS tag: ``cernvm-system-4.5.0.1``."""
        return f"cernvm-system-{self.version}"

    @property
    def description(self) -> str:
        """Return what the tag says of itself."""
        return f"CernVM {self.version}" + (f", uCernVM {self.bootloader}" if self.bootloader else "")

    @property
    def lock_file(self) -> Path:
        """Return the file that pins this system's Python packages."""
        return HERE / "locks" / f"{self.tag}.txt"

    @property
    def content(self) -> bytes:
        """Return what stands for all files of this system."""
        return self.lock_file.read_bytes() if self.lock_file.exists() else b""

    @property
    def root_hash(self) -> str:
        """Return 40 hex digits: the name of this system's root catalog."""
        return object_name(catalog_of(self))

    @property
    def folder(self) -> str:
        """Return where the image's second partition holds it."""
        return self.tag


@dataclass(frozen=True)
class Revision:
    """One published state of a repository that is no system: what software comes from."""

    fqrn: str
    tag: str
    revision: int
    published: int

    @property
    def description(self) -> str:
        """Return what the tag says of itself."""
        return f"software of {self.tag}"

    @property
    def content(self) -> bytes:
        """Return its one file, ``README``."""
        return f"{self.fqrn} as of {self.tag}, revision {self.revision}\n".encode()

    @property
    def root_hash(self) -> str:
        """Return 40 hex digits: the name of its root catalog."""
        return object_name(catalog_of(self))

    @property
    def folder(self) -> str:
        """Return where the image's second partition holds it."""
        return f"cvmfs/{self.fqrn}/{self.revision}"


BOOTLOADERS = (
    Bootloader(version="2020.07-1", flavour="v4prod", extension="qcow2", options="log_buf_len=1M"),
    Bootloader(version="2021.05-1", flavour="mini", extension="hdd"),
)
"""Oldest first; a disk (``hdd``) is signed, what is made from one with qemu-img is not."""

SYSTEMS = (
    System(version="4.4.0.1", revision=440, published=1594000000, bootloader="2020.07-1"),
    System(version="4.5.0.1", revision=450, published=1725148800),
    System(version="4.5.1.0", revision=451, published=1769904000),
)
"""Oldest first; the last is what the rolling tag means."""

REVISIONS = (
    Revision(fqrn="sft.cern.ch", tag="LCG_104", revision=1040, published=1690000000),
    Revision(fqrn="sft.cern.ch", tag="LCG_106", revision=1060, published=1730000000),
)
"""Oldest first; a client that is not told otherwise mounts the last."""

GONE = System(version="4.3.4.3", revision=434, published=1580000000)
GONE_REVISION = Revision(fqrn="sft.cern.ch", tag="LCG_97", revision=970, published=1580000000)


@functools.cache
def catalog_of(state: System | Revision) -> bytes:
    """Return the root catalog of a system or revision, as a server has it."""
    return catalog(state.fqrn, state.revision, state.published, state.content)


def digest() -> str:
    """Return 16 hex digits over every source and data file of this builder, and what this Python makes of them.

    Root hashes come out of SQLite and zlib, whose other versions may write other bytes.
    """
    return digest_of([HERE], [state.root_hash for state in (*SYSTEMS, *REVISIONS)])
