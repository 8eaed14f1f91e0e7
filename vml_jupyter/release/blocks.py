"""The 64 KiB at the end of a CernVM image that say what it is and who signed it.

    | payload | claims 32768 B | signature 32768 B |     .iso and .hdd; a block: JSON, newline, NULs
    {"ucernvm-version": "2021.05-1.cernvm.x86_64", "os-repo": "v4prod", "snapshot": "HEAD4"}
    {"certificate": base64(PEM), "signature": base64(RSA), "howto-verify": [...]}

The signature is over all bytes but its own block. Bootloaders 2.0-1 to 2.2-0 wrote the JSON without commas;
their claims are read nevertheless, their signatures are not. Source: cernvm-micro's ``sign.sh``.
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
_VERSION = re.compile(r"(?P<bootloader>\d+\.\d+-\d+)\.cernvm\.(?P<architecture>[a-z0-9_]+)")
_FLAVOUR = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What an image says of itself; true only as far as its signature is."""

    bootloader: str
    architecture: str
    flavour: str = ""
    snapshot: str = ""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """The raw certificate (PEM) and RSA signature of an image."""

    certificate: bytes
    signature: bytes


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
        return Seal(
            certificate=base64.b64decode(fields["certificate"], validate=True),
            signature=base64.b64decode(fields["signature"], validate=True),
        )
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        return None


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
