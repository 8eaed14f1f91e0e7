"""Say what CernVM image a file is, by what is in it, whatever it is called, and whether it is whole.

    carrier (raw, ISO, VHD, ...) -> claims block at its end, else /version in its FAT or ISO file system
                                 -> Image(bootloader, flavour, kind, damage)

A file that was cut, that grew, or that bears the claims of another release is recognised and said to be ``damaged``;
it is never booted. What takes a process of its own to look into is remembered in ``<cache>/images.json``.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import msgspec

from vml_jupyter.errors import DiskFull, Foreign, HostError
from vml_jupyter.release import carrier, fat, iso
from vml_jupyter.release.blocks import Claims, find_claims, read_claims, size_of
from vml_jupyter.release.memory import Memory, file_key
from vml_jupyter.release.names import ARCHITECTURE, bootloader_key, parse_image_name

_SMALLEST = 64 * 1024
_SECTOR = 512
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


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image file on this computer.

    ``kind`` is a carrier's (``raw``, ``iso``, ``vhd``, ...); ``damage`` is '' for a whole image, else says what is
    wrong; ``place`` says where it lies if that is no plain folder; ``sha256`` is '' until it was asked for.
    """

    path: Path
    bootloader: str
    flavour: str = ""
    architecture: str = ARCHITECTURE
    kind: str = carrier.RAW
    size_bytes: int = 0
    sha256: str = ""
    damage: str = ""
    place: str = ""


class _Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the content tells, without where it lies."""

    bootloader: str = ""
    flavour: str = ""
    architecture: str = ARCHITECTURE
    damage: str = ""


def identify(file: Path, cache: Path | None = None, place: str = "") -> Image | None:
    """Return what image a file is, by its content; None if nothing in it, nor its name, is CernVM's.

    Args:
        file: Any file.
        cache: The folder in which costly answers are remembered.
        place: Where it lies, in words, if that is more than a folder.
    """
    try:
        if not file.is_file() or file.stat().st_size < _SMALLEST:
            return None
        kind = carrier.kind_of(file)
        facts = _facts(file) if kind in (carrier.RAW, carrier.ISO) else _facts_inside(file, kind, cache)
        size = file.stat().st_size
    except OSError:
        return None
    facts = facts or _facts_of_name(file.name)
    if facts is None:
        return None
    return Image(path=file, kind=kind, size_bytes=size, place=place, **msgspec.structs.asdict(facts))


def trim(disk: Path) -> None:
    """Take off what a carrier's geometry added behind the signature of a raw disk; a disk without one stays."""
    moved = find_claims(disk, _payload_end(disk)) if read_claims(disk) is None else None
    if moved and moved[1] > 0:
        os.truncate(disk, disk.stat().st_size - moved[1])


def _facts_inside(file: Path, kind: str, cache: Path | None) -> _Facts | None:
    memory = Memory(cache, "images", _Facts)
    known = memory.recall(file_key(file))
    if known is None:
        try:
            known = _look_inside(file, kind)
        except DiskFull:  # which says nothing of the file
            return None
        memory.keep(file_key(file), known)
    return known if known.bootloader else None


def _look_inside(file: Path, kind: str) -> _Facts:
    try:
        with carrier.beginning(file, kind) as disk:
            facts = _from_version(_version_line(disk))
        return msgspec.structs.replace(facts, damage=carrier.amiss(file, kind)) if facts else _Facts()
    except DiskFull:
        raise
    except (Foreign, HostError):
        return _Facts()


def _facts(file: Path) -> _Facts | None:
    """Read a raw disk or an ISO: the claims are right about the flavour, the version file about the payload."""
    told = _from_version(_version_line(file))
    claims = read_claims(file)
    end = _payload_end(file)
    if claims:
        facts = _from_claims(claims)
        if told and told.bootloader != facts.bootloader:
            wrong = f"its signature block is that of {facts.bootloader}, its content is {told.bootloader}"
            return msgspec.structs.replace(facts, bootloader=told.bootloader, damage=wrong)
        return facts
    # Only what looks like a disk is searched: a folder of downloads is full of other large files.
    moved = find_claims(file, end) if end else None
    if moved:
        claims, surplus = moved
        return msgspec.structs.replace(_from_claims(claims), damage=_surplus(surplus))
    size = file.stat().st_size
    if told and size < end:
        return msgspec.structs.replace(told, damage=f"it is cut: {end - size} of {end} bytes are missing")
    return told


def _surplus(surplus: int) -> str:
    if surplus < 0:
        return f"it is cut: its last {-surplus} bytes are missing"
    return f"it grew: {surplus} bytes are behind its end" if surplus else "its signature block is damaged"


def _version_line(file: Path) -> str:
    return fat.read_version(file) or iso.read_version(file)


def _from_claims(claims: Claims) -> _Facts:
    return _Facts(bootloader=claims.bootloader, flavour=claims.flavour, architecture=claims.architecture)


def _from_version(text: str) -> _Facts | None:
    line = _VERSION_LINE.fullmatch(text)
    if line is None:
        return None
    flavour = _FLAVOURS.get((line["repository"], line["tag"]), "")
    # Before 2018.06 the one production flavour booted CernVM 3.
    if flavour == "v3prod" and bootloader_key(line["bootloader"]) < (2018, 6):
        flavour = "prod"
    return _Facts(bootloader=line["bootloader"], flavour=flavour, architecture=line["architecture"])


def _facts_of_name(name: str) -> _Facts | None:
    """Return what only the name says: enough to tell the user that the file is not what it is called."""
    image = parse_image_name(name)
    if image is None or image.extension in ("box", "fat"):
        return None
    return _Facts(
        bootloader=image.bootloader,
        flavour=image.flavour,
        architecture=image.architecture,
        damage="nothing in it is CernVM's, only its name",
    )


def _payload_end(file: Path) -> int:
    """Return where the last partition, or the ISO's volume, ends, in bytes; 0 where neither is there."""
    with file.open("rb") as stream:
        if iso.is_iso(stream):
            return iso.volume_size(stream)
        if size_of(stream) < _SECTOR:
            return 0
        stream.seek(0)
        head = stream.read(_SECTOR)
    if head[510:] != b"\x55\xaa":
        return 0
    ends = [sum(struct.unpack_from("<II", head, entry + 8)) for entry in range(446, 510, 16)]
    return int(max(ends)) * _SECTOR
