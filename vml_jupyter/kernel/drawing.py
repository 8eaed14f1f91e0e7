"""Tables, notes, times and sizes as HTML and as text, for the views of ``%vml``.

All text is escaped in HTML, and in plain text characters that a terminal would obey are replaced. Tables have a
caption and header cells with a scope, so that a screen reader can tell what a cell belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Rows = Sequence[Sequence[str]]


def table_html(caption: str, columns: Sequence[str], rows: Rows) -> str:
    """Return a table whose first column names its rows."""
    head = "".join(f'<th scope="col" style="text-align: left">{escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row" style="text-align: left"><code>{escape(first)}</code></th>'
        + "".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table_text(columns: Sequence[str], rows: Rows) -> str:
    """Return the same table in columns of characters."""
    lines = [[name.upper() for name in columns], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def notes_html(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<ul>{items}</ul>" if items else ""


def notes_text(notes: Sequence[str]) -> list[str]:
    return [f"  note: {note}" for note in notes]


def when(time: str) -> str:
    """Return the minute of an ISO 8601 time."""
    return time[:16].replace("T", " ")


def size(count: int) -> str:
    """Return a number of bytes as people read it: ``12.3 MB`` (decimal units)."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of show."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
