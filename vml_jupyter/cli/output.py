"""How results are printed: one JSON object for programs, aligned lines for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec


def as_json(value: object) -> None:
    """Print one JSON value on one line; a path is its text."""
    sys.stdout.buffer.write(msgspec.json.encode(value, enc_hook=_text_of) + b"\n")
    sys.stdout.flush()


def _text_of(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} in JSON")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under a heading, each column as wide as its widest cell; control characters are shown, not obeyed."""
    lines = [tuple(head), *(tuple(_plain(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(text: str) -> str:
    """Replace what could move a terminal's cursor: entry texts may come from others."""
    return "".join(char if char.isprintable() else "�" for char in text)
