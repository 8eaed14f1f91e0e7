"""What an archive of a repository may hold, and looking through one that comes from somebody else.

Reading trusts nothing: every header is looked at before the first byte of content is used, and whatever is no plain
file under a name that such an archive has, once, and inside the file, is refused. Nothing is ever unpacked.

    [512 bytes: name, size, checksum][content][zeros up to 512] ... [1024 bytes of zeros or more]
"""

from __future__ import annotations

import os
import re
import tarfile
from typing import BinaryIO

from vml_jupyter.errors import Foreign

REPOSITORY = "repository/"

BLOCK = tarfile.BLOCKSIZE
LOCKS = f"{REPOSITORY}locks/"
_MOST_MEMBERS = 200_000
LARGEST_FILE = (8 << 30) - 1  # what eleven octal digits say
NAME = re.compile(
    r"README\.txt|password|manifest\.json|launch\.py"
    r"|repository/(?:config|(?:keys|index|snapshots)/[0-9a-f]{64}|data/([0-9a-f]{2})/\1[0-9a-f]{62})"
    r"|(?:release|machine)/[A-Za-z0-9][A-Za-z0-9._~-]{0,80}"
)


def members_of(stream: BinaryIO, label: str) -> dict[str, tuple[int, int]]:
    """Return where every file of an archive lies.

    Raises:
        Foreign: The archive is not what ``Archive`` writes.
    """
    size = os.fstat(stream.fileno()).st_size
    members: dict[str, tuple[int, int]] = {}
    at = 0
    while True:
        block = os.pread(stream.fileno(), BLOCK, at)
        if not block.strip(b"\0"):
            _require(len(block) == BLOCK, label, "it was cut: its end is missing")
            _require(at > 0, label, "it is empty")
            rest = size - at
            _require(rest >= 2 * BLOCK, label, "it was cut: its end is missing")
            _require(rest <= 1 << 20, label, "something lies behind its end")
            _require(
                not os.pread(stream.fileno(), rest, at).strip(b"\0"), label, "something lies behind its end"
            )
            return members
        header = _header(block, label)
        if header.type == tarfile.DIRTYPE:
            _require(header.name.rstrip("/") + "/" == LOCKS and not header.size, label, _odd(header))
            at += BLOCK
            continue
        plain = header.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not header.linkname
        _require(plain and bool(NAME.fullmatch(header.name)), label, _odd(header))
        _require(header.name not in members, label, f"it holds {header.name} twice")
        _require(len(members) < _MOST_MEMBERS, label, f"it holds more than {_MOST_MEMBERS} files")
        at += BLOCK
        _require(
            0 <= header.size <= min(LARGEST_FILE, size - at), label, f"{header.name} reaches beyond its end"
        )
        members[header.name] = (at, header.size)
        at += header.size + -header.size % BLOCK


def _header(block: bytes, label: str) -> tarfile.TarInfo:
    try:
        _require(block[257:262] == b"ustar", label, "it is no archive of `vml export`")
        return tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, ValueError) as error:
        raise Foreign(f"{label} cannot be used: {error}", "Get the file again.") from error


def _odd(header: tarfile.TarInfo) -> str:
    return f"it holds {ascii(header.name[:80])[1:-1]}, which no export has"


def _require(condition: bool, label: str, what: str) -> None:
    if not condition:
        raise Foreign(f"{label} cannot be used: {what}", "Get the file again, from somebody you know.")
