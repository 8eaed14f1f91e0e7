"""What CernVM calls its releases, read and written: image files, folders, tags, and the words people type.

    <base>/releases/ucernvm-images.2021.05-1.cernvm.x86_64/ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd
    <base>/releases/production/cernvm4-micro-2021.05-1.hdd          the human name of the same file
    cernvm-system-4.5.0.1                                           the tag of a system in CernVM-FS
    4.5.0.1  |  CernVM 4.5.0.1  |  4.5.0.1@2021.05-1  |  4.5.0.1@2021.05-1/v4prod     what people type

Sources: cernvm-micro's ``config.mk`` and ``HOW-TO-RELEASE`` (images), cernvm-rpm's ``install.mk`` (tags).
"""

from __future__ import annotations

import re

import msgspec

from vml_jupyter.errors import Usage
from vml_jupyter.model import Release

ARCHITECTURE = "x86_64"
EXTENSIONS = ("fat", "iso", "hdd", "hvm", "vdi", "vhd", "vmdk", "tar.gz", "ova", "box", "qcow2")

_BOOTLOADER = r"\d+\.\d+-\d+"
_WORD = r"[a-z0-9]+(?:[_-][a-z0-9]+)*"
_FILE = re.compile(
    rf"ucernvm-(?P<flavour>{_WORD})\.(?P<bootloader>{_BOOTLOADER})\.cernvm"
    rf"\.(?P<architecture>{_WORD})\.(?P<extension>[a-z0-9]+(?:\.gz)?)"
)
_HUMAN = re.compile(
    rf"cernvm(?P<major>[34])-micro-(?P<bootloader>{_BOOTLOADER})\.(?P<extension>[a-z0-9]+(?:\.gz)?)"
)
_NUMBER = r"\d{1,18}"  # Python refuses to read a number of 5,000 digits
_SYSTEM = r"\d{1,4}(?:\.\d{1,6}){2,3}"
_TYPED = re.compile(
    rf"(?:CernVM[ -]?|cernvm-system-)?(?P<system>{_SYSTEM})"
    rf"(?:@(?P<bootloader>{_BOOTLOADER})(?:/(?P<flavour>{_WORD}))?)?",
    re.IGNORECASE,
)
_VERSION = re.compile(rf"(?P<bootloader>{_BOOTLOADER})(?:\.cernvm\.(?P<architecture>{_WORD}))?")


class ImageName(msgspec.Struct, frozen=True, kw_only=True):
    """The four facts in the name of an image file."""

    flavour: str
    bootloader: str
    architecture: str = ARCHITECTURE
    extension: str = "hdd"

    @property
    def folder(self) -> str:
        """Return the folder in which the image is published."""
        return f"ucernvm-images.{self.bootloader}.cernvm.{self.architecture}"

    @property
    def file(self) -> str:
        """Return the name of the image file."""
        return f"ucernvm-{self.flavour}.{self.bootloader}.cernvm.{self.architecture}.{self.extension}"

    def path(self) -> str:
        """Return where the image lies below a release repository's base URL."""
        return f"releases/{self.folder}/{self.file}"


def parse_image_name(name: str) -> ImageName | None:
    """Read the name of an image file, ``ucernvm-...`` or ``cernvm4-micro-...``; None if it is neither."""
    match = _FILE.fullmatch(name)
    if match:
        return ImageName(**match.groupdict())
    match = _HUMAN.fullmatch(name)
    if match is None:
        return None
    return ImageName(
        flavour=f"v{match['major']}prod", bootloader=match["bootloader"], extension=match["extension"]
    )


def parse_bootloader(text: str) -> str:
    """Return ``2021.05-1`` of ``2021.05-1`` or ``2021.05-1.cernvm.x86_64``; '' if it is no such version."""
    match = _VERSION.fullmatch(text.strip())
    return match["bootloader"] if match else ""


def bootloader_key(bootloader: str) -> tuple[int, ...]:
    """Return what sorts bootloaders by age: ``2.6-7`` before ``2018.06-1`` before ``2021.05-1``."""
    return tuple(int(number) for number in re.findall(_NUMBER, bootloader))


def parse_tag(tag: str) -> str:
    """Return the system that a CernVM-FS tag names, '' for rolling and foreign ones (``HEAD4``)."""
    match = re.fullmatch(rf"cernvm-system-({_SYSTEM})", tag)
    return match[1] if match else ""


def system_key(system: str) -> tuple[int, ...]:
    """Return what sorts systems by age: 4.5.0.1 before 4.10.0.0."""
    return tuple(int(number) for number in re.findall(_NUMBER, system))


def parse_release(text: str) -> Release:
    """Return the release that a user's words name; the inverse of ``format_release``.

    Raises:
        Usage: The words name no CernVM version.
    """
    match = _TYPED.fullmatch(text.strip())
    if match is None:
        raise Usage(f"{text!r} is not a CernVM version", "Write it like 4.5.0.1; `vml releases` lists them.")
    return Release(
        system=match["system"], bootloader=match["bootloader"] or "", flavour=match["flavour"] or ""
    )


def format_release(release: Release) -> str:
    """Return the shortest words that name a release with all that is known of it."""
    text = release.system
    if release.bootloader:
        text += f"@{release.bootloader}"
        if release.flavour:
            text += f"/{release.flavour}"
    return text


def flavours(release: Release) -> tuple[str, ...]:
    """Return the flavours under which the image of a release may be published, the likeliest first.

    A running CernVM tells its bootloader but not the flavour of its image. Before 2018.06 there was one
    production flavour, since then there is one for each major version of the system.
    """
    if release.flavour:
        return (release.flavour,)
    if release.bootloader and bootloader_key(release.bootloader) < (2018, 6):
        return ("prod", "mini")
    major = "3" if release.system.startswith("3.") else "4"
    return (f"v{major}prod", "mini")
