"""Find the CernVM images on this computer, and the one from which a release boots.

    folders (and <folder>/<sha256>/ below), files named elsewhere -> Image, by content
    Image + Release -> fits?  whole?  the very bytes?  signature not wrong?  -> booted from

An image that a colleague renamed ``holiday.bin`` is found; a text file called ``ucernvm-...hdd`` is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.carrier import RAW
from vml_jupyter.release.digests import digest
from vml_jupyter.release.identity import Image, identify
from vml_jupyter.release.names import ARCHITECTURE, bootloader_key, flavours
from vml_jupyter.release.trust import Trust, judge, remark

if TYPE_CHECKING:
    from vml_jupyter.release.judgement import Signature

_FOLDER_LIMIT = 5000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DOUBT = {"signed": 0, "unchecked": 1, "unsigned": 2, "bad": 3}


def find_local(
    release: Release,
    folders: Sequence[Path],
    cache: Path | None = None,
    progress: Progress = SILENT,
    trust: Trust | None = None,
    more: Sequence[Image] = (),
) -> Image | None:
    """Return an image from which a release boots, the newest bootloader where the release leaves it open.

    Where the release records the image's SHA-256, the file must have exactly that, or be the same bootloader in
    another kind of file (the ISO for the disk); else bootloader and flavour must be the recorded ones. Of two that
    serve alike a signed one is taken.

    Args:
        release: What is to boot.
        folders: Where to look, not below but for folders that are named by a SHA-256.
        cache: The folder in which digests are remembered.
        progress: Is told the bytes that had to be read, and as notes why a fitting file was not taken, and that the one
            which was is unsigned, or that nobody vouches for its signature.
        trust: Whose signatures count.
        more: Images that lie elsewhere.
    """
    fitting = [image for image in [*local_images(folders, cache), *more] if fits(image, release)]
    second: tuple[Image, Signature] | None = None
    for image, signature in _in_order(fitting, release, cache, trust or Trust()):
        sha256 = _sound(image, signature, cache, progress)
        if not sha256 or signature is None:
            continue
        image = replace(image, sha256=sha256)
        if release.image_sha256.lower() in ("", sha256):
            return _taken(image, signature, progress)
        # The recorded digest is that of the published disk; another kind of file has another.
        if second is None and image.kind != RAW and image.flavour in flavours(release):
            second = image, signature
    return _taken(*second, progress) if second else None


def local_images(folders: Sequence[Path], cache: Path | None = None) -> list[Image]:
    """Return every image in these folders, damaged ones too; what cannot be read is none."""
    return images_among((file for folder in folders for file in _files(folder)), cache)


def images_among(files: Iterable[Path], cache: Path | None = None, place: str = "") -> list[Image]:
    """Return the images among some files, each file once."""
    found: dict[Path, Image] = {}
    for file in files:
        image = identify(file, cache, place)
        if image:
            found.setdefault(file.resolve(), image)
    return list(found.values())


def fits(image: Image, release: Release) -> bool:
    """Tell whether a release may boot from an image, by their names."""
    if image.architecture != ARCHITECTURE or release.bootloader not in ("", image.bootloader):
        return False
    return bool(release.image_sha256) or not image.flavour or image.flavour in flavours(release)


def recorded_digest(file: Path) -> str:
    """Return the SHA-256 that a file must have: its folder's name, else the ``.sha256`` beside it, else ''."""
    if _DIGEST.fullmatch(file.parent.name):
        return file.parent.name
    try:
        with file.with_name(f"{file.name}.sha256").open("rb") as beside:
            words = beside.read(1000).decode("ascii", "replace").lower().split()
    except OSError:
        return ""
    return words[0] if words and _DIGEST.fullmatch(words[0]) else ""


def _in_order(
    images: Iterable[Image], release: Release, cache: Path | None, trust: Trust
) -> Iterator[tuple[Image, Signature | None]]:
    """Yield images, the best first, each with what is to be thought of its signature; None where that is not known.

    Signatures are read where it comes to them: that is the whole file.
    """

    def preference(image: Image) -> tuple[int, tuple[int, ...]]:
        return _preference(image, release)

    def doubt(judged: tuple[Image, Signature | None]) -> tuple[int, bool]:
        image, told = judged
        return _DOUBT.get(told.status if told else "", len(_DOUBT)), image.kind != RAW

    for _, alike in groupby(sorted(images, key=preference), preference):
        yield from sorted(((image, _judged(image, cache, trust)) for image in alike), key=doubt)


def _judged(image: Image, cache: Path | None, trust: Trust) -> Signature | None:
    if image.damage:
        return None
    try:
        return judge(image, trust, cache)
    except OSError:
        return None


def _taken(image: Image, signature: Signature, progress: Progress) -> Image:
    said = remark(signature, image.path.name)
    if said:
        progress.note(said)
    return image


def _sound(image: Image, signature: Signature | None, cache: Path | None, progress: Progress) -> str:
    """Return the SHA-256 of an image that may be booted from, '' (and a note why) for one that may not."""
    found, why = "", image.damage
    try:
        found = "" if why else digest(image.path, cache, progress)
    except OSError as error:
        why = error.strerror or str(error)
    if not why and recorded_digest(image.path) not in ("", found):
        why = "its SHA-256 is not the one that was published"
    if not why and signature is None:
        why = "its signature could not be read"
    if not why and signature and signature.status == "bad":
        why = f"its signature is wrong, {signature.reason}"
    if why:
        progress.note(f"{image.path} is not used: {why}")
    return "" if why else found


def _files(folder: Path) -> Iterator[Path]:
    try:
        names = sorted(folder.iterdir())[:_FOLDER_LIMIT]
    except OSError:
        return
    for file in names:
        if _DIGEST.fullmatch(file.name) and file.is_dir():
            yield from _files_of_one(file)
        elif file.suffix not in (".part", ".sha256"):
            yield file


def _files_of_one(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(file for file in folder.iterdir() if file.suffix not in (".part", ".json"))
    except OSError:
        return


def _preference(image: Image, release: Release) -> tuple[int, tuple[int, ...]]:
    """Return what sorts images: the likeliest flavour, then the newest bootloader.

    Of those that are alike in both, signed ones come first, and then what boots as it is.
    """
    likely = flavours(release)
    place = likely.index(image.flavour) if image.flavour in likely else len(likely)
    return place, tuple(-number for number in bootloader_key(image.bootloader))
