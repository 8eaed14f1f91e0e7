"""Tables, lines, texts and notes as HTML and as text, for what ``%vml`` shows.

All text is escaped in HTML, and in plain text characters that a terminal would obey are replaced. Tables have a
caption and header cells with a scope, so that a screen reader can tell what a cell belongs to. Colours are left to the
page, so that they suit its theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from vml_jupyter.cli.output import plain, table_lines

_LEFT = ' style="text-align: left"'
_ABBREVIATIONS = {"utc": "UTC", "cpu": "CPU", "(utc)": "(UTC)"}


@dataclass(frozen=True)
class Table:
    """Rows under a heading, in capitals as on a terminal; the first column names them."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def html(self) -> str:
        head = "".join(_head(name) for name in self.head)
        body = "".join(
            f'<tr><th scope="row"{_LEFT}>{escape(first)}</th>'
            + "".join(f"<td{_LEFT}>{escape(cell)}</td>" for cell in rest)
            + "</tr>"
            for first, *rest in self.rows
        )
        caption = f"<caption>{escape(self.caption)}</caption>"
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def text(self) -> str:
        return "\n".join(table_lines(self.head, self.rows))


@dataclass(frozen=True)
class Line:
    """A sentence."""

    line: str

    def html(self) -> str:
        return f"<p>{escape(self.line)}</p>"

    def text(self) -> str:
        return plain(self.line)


@dataclass(frozen=True)
class Text:
    """Some lines whose indentation matters."""

    lines: str

    def html(self) -> str:
        return f"<pre>{escape(self.text())}</pre>"

    def text(self) -> str:
        return "\n".join(plain(line.expandtabs()) for line in self.lines.splitlines())


Block = Table | Line | Text


def html(blocks: Sequence[Block], notes: Sequence[str]) -> str:
    """Return what was told, and the notes as a list below it."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return "".join(block.html() for block in blocks) + (f"<ul>{items}</ul>" if items else "")


def text(blocks: Sequence[Block], notes: Sequence[str]) -> str:
    """Return the same as lines of characters."""
    return "\n".join([*(block.text() for block in blocks), *(plain(f"  note: {note}") for note in notes)])


def _head(name: str) -> str:
    if not name:
        return "<td></td>"  # a header cell without words says nothing
    words = " ".join(_ABBREVIATIONS.get(word, word) for word in name.lower().split())
    return f'<th scope="col"{_LEFT}>{escape(words[:1].upper() + words[1:])}</th>'
