"""Find the CernVM images on this computer by what is in them, whatever they are called.

    raw disk image -> claims block at its end, else /version in its FAT partition
                   -> Image(bootloader, flavour); its SHA-256 only where a release demands one

An image that a colleague renamed ``my-old-cernvm.img`` is found; a text file called ``ucernvm-...hdd`` is
not. Only raw disk images count, because machines boot from those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.blocks import read_claims
from vml_jupyter.release.digests import digest
from vml_jupyter.release.fat import read_version
from vml_jupyter.release.names import ARCHITECTURE, bootloader_key, flavours, parse_image_name

_SMALLEST = 128 * 1024
_FOLDER_LIMIT = 5000
_SUFFIXES = (".hdd", ".hvm", ".img", ".raw")
_VERSION_LINE = re.compile(
    r"(?P<repository>[a-z0-9.-]+) at (?P<tag>\S+), "
    r"uCernVM (?P<bootloader>\d+\.\d+-\d+)\.cernvm\.(?P<architecture>\w+)"
)
_FLAVOURS = {
    ("cernvm-prod.cern.ch", "HEAD4"): "v4prod",
    ("cernvm-prod.cern.ch", "HEAD"): "v3prod",
    ("cernvm-testing.cern.ch", "HEAD4"): "v4testing",
    ("cernvm-testing.cern.ch", "HEAD"): "v3testing",
    ("cernvm-devel.cern.ch", "HEAD"): "devel",
    ("cernvm-sl7.cern.ch", "HEAD4"): "sl7",
}


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """One image file on this computer; ``sha256`` is '' until it was asked for."""

    path: Path
    bootloader: str
    flavour: str = ""
    architecture: str = ARCHITECTURE
    size_bytes: int = 0
    sha256: str = ""


def find_local(
    release: Release, folders: Sequence[Path], cache: Path | None = None, progress: Progress = SILENT
) -> Path | None:
    """Return an image from which a release boots, the newest bootloader where the release leaves it open.

    Args:
        release: Where it records the image's SHA-256, the file must have exactly that; else bootloader and
            flavour
            must be the recorded ones.
        folders: Where to look, not below.
        cache: The folder in which digests are remembered.
        progress: Is told the bytes that had to be read.
    """
    fitting = [image for image in local_images(folders) if _fits(image, release)]
    for image in sorted(fitting, key=lambda image: _preference(image, release)):
        if not release.image_sha256 or _digest(image, cache, progress) == release.image_sha256.lower():
            return image.path
    return None


def local_images(folders: Sequence[Path]) -> list[Image]:
    """Return every bootable image in these folders; a folder or file that cannot be read holds none."""
    found: dict[Path, Image] = {}
    for folder in folders:
        for file in _candidates(folder):
            image = identify(file)
            if image:
                found.setdefault(file.resolve(), image)
    return list(found.values())


def identify(file: Path) -> Image | None:
    """Return what image a file is, by its content; None if it is none that a machine boots from."""
    try:
        if not file.is_file() or file.stat().st_size < _SMALLEST:
            return None
        bootloader, flavour, architecture = _identity(file)
        size = file.stat().st_size
    except (OSError, LookupError):
        return None
    return Image(
        path=file, bootloader=bootloader, flavour=flavour, architecture=architecture, size_bytes=size
    )


def _identity(file: Path) -> tuple[str, str, str]:
    """Return bootloader, flavour and architecture.

    Raises:
        LookupError: Nothing in the file says so.
    """
    claims = read_claims(file)
    if claims:
        return claims.bootloader, claims.flavour, claims.architecture
    line = _VERSION_LINE.fullmatch(read_version(file))
    if line is None:
        raise LookupError(file)
    flavour = _FLAVOURS.get((line["repository"], line["tag"]), "")
    # Before 2018.06 the one production flavour booted CernVM 3.
    if flavour == "v3prod" and bootloader_key(line["bootloader"]) < (2018, 6):
        flavour = "prod"
    return line["bootloader"], flavour, line["architecture"]


def _candidates(folder: Path) -> Iterator[Path]:
    """Yield what may be an image; the suffix is a first sieve, so that a full folder is quickly searched."""
    try:
        names = sorted(folder.iterdir())[:_FOLDER_LIMIT]
    except OSError:
        return
    for file in names:
        if file.suffix in _SUFFIXES or (parse_image_name(file.name) and file.suffix == ".fat"):
            yield file


def _digest(image: Image, cache: Path | None, progress: Progress) -> str:
    """Return the digest of an image, '' where it vanished or cannot be read to its end."""
    try:
        return digest(image.path, cache, progress)
    except OSError:
        return ""


def _preference(image: Image, release: Release) -> tuple[int, tuple[int, ...]]:
    """Return what sorts images: the likeliest flavour first, then the newest bootloader."""
    likely = flavours(release)
    place = likely.index(image.flavour) if image.flavour in likely else len(likely)
    return place, tuple(-number for number in bootloader_key(image.bootloader))


def _fits(image: Image, release: Release) -> bool:
    if image.architecture != ARCHITECTURE or release.bootloader not in ("", image.bootloader):
        return False
    return bool(release.image_sha256) or not image.flavour or image.flavour in flavours(release)
