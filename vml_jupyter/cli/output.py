"""How results are printed: one JSON object for programs, aligned lines for people.

Titles, notes and file names may be written by others, so what a terminal would obey is shown instead, in text
and in JSON alike.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

_WIDEST = 120
_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def as_json(value: object) -> None:
    """Print one JSON value on one line; a path is its text."""
    encoded = msgspec.json.encode(
        value, enc_hook=_text_of
    )  # which escapes the characters below U+0020 itself
    if not encoded.isascii():
        encoded = _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", encoded.decode()).encode()
    sys.stdout.buffer.write(encoded + b"\n")
    sys.stdout.flush()


def _text_of(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} in JSON")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a heading, each column as wide as its widest cell."""
    lines = [tuple(head), *(tuple(_cut(plain(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def line(text: str) -> None:
    """Print one line."""
    print(plain(text))


def paragraphs(text: str) -> None:
    """Print a text of several lines."""
    for each in text.splitlines():
        print(plain(each.expandtabs()))


def plain(text: str) -> str:
    """Replace what could move a terminal's cursor, colour it, or turn its text around."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "�" for char in text)


def _cut(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + "…"
