"""Read small texts of the system, and make any text fit for a record.

Whatever is read may be missing, huge, no file at all, or no text; nothing of that may hold up or spoil a record.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from vml_jupyter.model.environment import LONG, SHORT

_SMALL = 64 * 1024


def read_small(file: Path, limit_bytes: int = _SMALL) -> str:
    """Return the beginning of a text file, '' where it cannot be read or is no ordinary file."""
    try:
        # Opening a named pipe would wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit_bytes).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def short(text: str) -> str:
    """Return a text of at most 1,000 characters that JSON can hold."""
    return _fitted(text, SHORT)


def long(text: str) -> str:
    """Return a text of at most 10,000 characters that JSON can hold."""
    return _fitted(text, LONG)


def _fitted(text: str, limit: int) -> str:
    # Names of files and variables are bytes to the system; Python shows what is no UTF-8 as lone surrogates.
    clean = text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
