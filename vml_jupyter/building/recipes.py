"""Digests: of a file that was built, and of what something is made of and by, which say when to build it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

BUILDING = Path(__file__).parent
_PIECE = 1 << 20


def digest_of(folders: Iterable[Path], texts: Iterable[str] = ()) -> str:
    """Return 16 hex digits over every source and data file of some folders and of this room, and over some texts."""
    total = hashlib.sha256()
    for folder in (BUILDING, *folders):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(f"{file.relative_to(folder)}\0".encode())
                total.update(hashlib.sha256(file.read_bytes()).digest())
    for text in texts:
        total.update(f"{text}\0".encode())
    return total.hexdigest()[:16]


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    total = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            total.update(piece)
    return total.hexdigest()
