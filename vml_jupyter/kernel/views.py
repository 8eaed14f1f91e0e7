"""What ``%vml`` shows: each result as HTML for notebooks and as text for everything else.

Titles, notes and names in entries may be written by others, so nothing is shown but through ``drawing`` or escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.errors import VmlError
from vml_jupyter.kernel.drawing import (
    Rows,
    notes_html,
    notes_text,
    printable,
    size,
    table_html,
    table_text,
    when,
)
from vml_jupyter.model import Entry, Machine

if TYPE_CHECKING:
    from vml_jupyter.flows.diff import Diff

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


class View:
    """A result: ``html()`` and ``text()`` say the same."""

    def html(self) -> str:
        raise NotImplementedError

    def text(self) -> str:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.html()

    def __repr__(self) -> str:
        return self.text()


class Done(View):
    """One sentence."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def html(self) -> str:
        return f"<p>{escape(self.sentence)}</p>"

    def text(self) -> str:
        return printable(self.sentence)


class _Listing(View):
    """A table, or a sentence where it would be empty."""

    caption: str
    columns: Sequence[str]
    rows: Rows
    empty: str

    def html(self) -> str:
        return (
            table_html(self.caption, self.columns, self.rows) if self.rows else f"<p>{escape(self.empty)}</p>"
        )

    def text(self) -> str:
        return table_text(self.columns, self.rows) if self.rows else self.empty


class Entries(_Listing):
    """The logbook."""

    columns = ("Entry", "Time (UTC)", "Title", "Release", "Notebook", "Size")

    def __init__(self, entries: Sequence[Entry], total: int, *, selected: bool = False) -> None:
        self.entries = list(entries)
        none_yet = "The logbook has no entries yet. %vml snapshot writes the first one."
        self.empty = "There is no such entry." if selected else none_yet
        shown = "" if len(entries) == total else f", the newest {len(entries)} of {total}"
        self.caption = f"Logbook{shown}"
        self.rows = [
            (e.id, when(e.time), e.title, release_name(e), e.notebook or "none", size(e.bytes))
            for e in entries
        ]


class Machines(_Listing):
    """The machines on this computer; their links hold their keys, so they are shown by ``%vml open`` only."""

    columns = ("Machine", "State", "Release", "Entry", "Title")
    caption = "Machines"
    empty = "There are no machines. %vml restore ENTRY makes one."

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.machines = list(machines)
        self.rows = [(m.id, m.state, m.label, m.entry, m.title) for m in machines]


class Captured(View):
    """A new entry, and what the user should know of it."""

    def __init__(self, entry: Entry, notes: Sequence[str]) -> None:
        self.entry = entry
        self.notes = list(notes)

    def _sentence(self) -> str:
        e = self.entry
        content = (
            f"{e.files} file{'' if e.files == 1 else 's'}, {size(e.bytes)}, {size(e.new_bytes)} of it new"
        )
        return f"{content}, in {release_name(e)}"

    def html(self) -> str:
        heading = f"<strong>Entry <code>{escape(self.entry.id)}</code></strong>: {escape(self.entry.title)}"
        return f"<p>{heading}<br>{escape(self._sentence())}</p>{notes_html(self.notes)}"

    def text(self) -> str:
        lines = [
            f"Entry {self.entry.id}: {self.entry.title}",
            f"  {self._sentence()}",
            *notes_text(self.notes),
        ]
        return "\n".join(printable(line) for line in lines)


class Difference(_Listing):
    """What changed between two entries: a table of files, the notebooks that were looked into, the environment."""

    columns = ("File", "Change", "Size before", "Size after", "What")
    empty = "No file differs."

    def __init__(self, diff: Diff) -> None:
        self.diff = diff
        self.caption = f"From {diff.before} to {diff.after}"
        self.rows = [
            (
                change.path,
                change.kind,
                size(change.before.size) if change.before else "",
                size(change.after.size) if change.after else "",
                ", ".join(change.what),
            )
            for change in diff.files
        ]

    def html(self) -> str:
        parts = [super().html()]
        for title, text in self._notebooks():
            parts.append(f"<details><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>")
        if self._environment():
            parts.append(table_html("Environment", self._HEAD, self._environment()))
        return "".join(parts)

    def text(self) -> str:
        parts = [printable(self.caption), super().text()]
        for title, text in self._notebooks():
            parts += ["", printable(title), *(printable(line) for line in text.splitlines())]
        if self._environment():
            parts += ["", table_text(self._HEAD, self._environment())]
        return "\n".join(parts)

    _HEAD = ("Environment", "Before", "After")

    def _notebooks(self) -> list[tuple[str, str]]:
        return [
            (
                f"Notebook {one.path}",
                one.diff.text if one.diff else f"not compared cell by cell: {one.why_not}",
            )
            for one in self.diff.notebooks
        ]

    def _environment(self) -> list[tuple[str, str, str]]:
        changed = self.diff.environment
        fields = [(name, old or "none", new or "none") for name, (old, new) in changed.fields.items()]
        return fields + [
            (name, old or "none", new or "none") for name, (old, new) in changed.packages.items()
        ]


class FilesWritten(View):
    """The files of an entry, in a folder."""

    def __init__(self, folder: Path, files: int, size_bytes: int) -> None:
        self.folder, self.files, self.size_bytes = folder, files, size_bytes

    def text(self) -> str:
        return printable(f"{self.files} files, {size(self.size_bytes)}, are in {self.folder}.")

    def html(self) -> str:
        return f"<p>{escape(self.text())}</p>"


class Opened(View):
    """A machine with the notebook in it.

    Its address holds the machine's key and outputs are saved with the notebook, so the address is an
    attribute and no part of what is shown.
    """

    def __init__(
        self, machine: Machine, seconds: Mapping[str, float], notes: Sequence[str], *, url: str
    ) -> None:
        self.machine, self.seconds, self.notes = machine, dict(seconds), list(notes)
        self.url = url

    def _sentence(self) -> str:
        m = self.machine
        after = f" after {sum(self.seconds.values()):.1f} s" if self.seconds else ""
        how = f", {m.accelerator}" if m.accelerator else ""
        next_step = f"%vml open {m.id} shows its link again" if self.url else f"%vml start {m.id} starts it"
        return f"{m.label}{how}, is {m.state}{after}. {next_step}."

    def html(self) -> str:
        heading = f"<strong>Machine <code>{escape(self.machine.id)}</code></strong>"
        return f"<p>{heading}: {escape(self._sentence())}</p>{notes_html(self.notes)}"

    def text(self) -> str:
        lines = [f"Machine {self.machine.id}: {self._sentence()}", *notes_text(self.notes)]
        return "\n".join(printable(line) for line in lines)


def problem(error: VmlError) -> list[str]:
    """Return the lines that a front end shows in the place of a traceback."""
    heading, *more = str(error.message).splitlines() or [error.code]
    console = getattr(error, "console", "")
    lines = [f"{_RED}{printable(heading)}{_PLAIN}", *map(printable, more)]
    lines += [printable(error.hint)] if error.hint else []
    return lines + [printable(line) for line in console.splitlines()]


def release_name(entry: Entry) -> str:
    release = entry.environment.release
    return release.label if release else "no CernVM"
