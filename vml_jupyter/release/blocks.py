"""The 64 KiB at the end of a CernVM image that say what it is and who signed it.

    | payload | claims 32768 B | signature 32768 B |     .iso and .hdd; a block: JSON, newline, NULs
    {"ucernvm-version": "2021.05-1.cernvm.x86_64", "os-repo": "v4prod", "snapshot": "HEAD4"}
    {"certificate": base64(PEM), "signature": base64(RSA), "howto-verify": [...]}

The signature is over all bytes but its own block. Bootloaders 2.0-1 to 2.2-0 wrote the JSON without commas; both
blocks of theirs are read nevertheless. Source: cernvm-micro's ``sign.sh``.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import BinaryIO

import msgspec

BLOCK = 32 * 1024
_CLAIM = re.compile(r'"(ucernvm-version|os-repo|snapshot)"\s*:\s*"([^"\\\x00-\x1f]{1,100})"')
_PROOF = re.compile(r'"(certificate|signature)"\s*:\s*"([A-Za-z0-9+/=]{1,30000})"')
_VERSION = re.compile(r"(?P<bootloader>\d+\.\d+-\d+)\.cernvm\.(?P<architecture>[a-z0-9_]+)")
_FLAVOUR = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_SECTOR = 512
_NEAR_BYTES = 512 * 1024


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an image says of itself; true only as far as its signature is."""

    bootloader: str
    architecture: str
    flavour: str = ""
    snapshot: str = ""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """The raw certificate (PEM) and RSA signature of an image; ``well_formed`` where its block was valid JSON."""

    certificate: bytes
    signature: bytes
    well_formed: bool = True


def read_claims(image: Path) -> Claims | None:
    """Return what the claims block of an image file says, None where there is no such block."""
    return _claims(_block(image, 2))


def read_seal(image: Path) -> Seal | None:
    """Return the signature block of an image file, None where there is none that can be read."""
    text = _block(image, 1)
    if not text.startswith("{"):
        return None
    try:
        fields = json.loads(text)
        return _seal(fields["certificate"], fields["signature"], well_formed=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        found = dict(_PROOF.findall(text))
    try:
        return _seal(found["certificate"], found["signature"], well_formed=False)
    except (ValueError, KeyError):
        return None


def find_claims(image: Path, after: int) -> tuple[Claims, int] | None:
    """Look for the claims block of an image that was cut or grew.

    Args:
        image: The image file.
        after: Where its payload may end, in bytes: the block is looked for behind that, and before the file's end.

    Returns:
        What the block says, and how many bytes the file has too many (below zero: too few). None where none is near.
    """
    with image.open("rb") as file:
        size = size_of(file)
        for start in (max(0, size - _NEAR_BYTES) // _SECTOR * _SECTOR, after // _SECTOR * _SECTOR):
            file.seek(start)
            window = file.read(_NEAR_BYTES)
            for place in range(0, len(window), _SECTOR):
                if window[place : place + 1] != b"{":
                    continue
                text = window[place : place + BLOCK].partition(b"\0")[0].decode("utf-8", "replace")
                claims = _claims(text)
                if claims:
                    return claims, size - (start + place + 2 * BLOCK)
    return None


def _seal(certificate: str, signature: str, *, well_formed: bool) -> Seal:
    try:
        return Seal(
            certificate=base64.b64decode(certificate, validate=True),
            signature=base64.b64decode(signature, validate=True),
            well_formed=well_formed,
        )
    except binascii.Error as error:
        raise ValueError from error


def _claims(text: str) -> Claims | None:
    fields = dict(_CLAIM.findall(text)) if text.startswith("{") else {}
    version = _VERSION.fullmatch(fields.get("ucernvm-version", ""))
    if version is None:
        return None
    flavour = fields.get("os-repo", "")
    return Claims(
        bootloader=version["bootloader"],
        architecture=version["architecture"],
        flavour=flavour if _FLAVOUR.fullmatch(flavour) else "",
        snapshot=fields.get("snapshot", ""),
    )


def _block(image: Path, from_end: int) -> str:
    """Return the text of the last block but ``from_end - 1``, '' if none is there."""
    with image.open("rb") as file:
        if size_of(file) < 2 * BLOCK:
            return ""
        file.seek(-from_end * BLOCK, 2)
        raw = file.read(BLOCK)
    if raw[:1] != b"{":
        return ""
    text, _, padding = raw.partition(b"\0")
    return "" if padding.strip(b"\0") else text.decode("utf-8", "replace")


def size_of(file: BinaryIO) -> int:
    """Return the size of an open file in bytes."""
    return file.seek(0, 2)
