"""``Logbook()``: the entries, a search, and the way back to each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Any

import ipywidgets

from vml_jupyter import api
from vml_jupyter.cli.grammar import content, release_name
from vml_jupyter.flows.settings import Settings
from vml_jupyter.kernel.live import Live
from vml_jupyter.kernel.machine_widget import Machine
from vml_jupyter.model import Entry

_EVERY_S = 15.0
_MOST = 200


class Logbook(Live):
    """List entries, newest first, and restore the chosen one in a machine or as files.

    Args:
        settings: Which logbook; the user's own settings by default.
    """

    def __init__(self, *, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.entries: Sequence[Entry] = ()
        self.search = ipywidgets.Text(description="Search", placeholder="title, note, tag, notebook")
        self.list = ipywidgets.Select(description="Entries", options=(), rows=10, layout={"width": "auto"})
        self.details = ipywidgets.HTML()
        self.restore = ipywidgets.Button(description="Restore", icon="undo", disabled=True)
        self.restore.tooltip = "Reopen the notebook in a machine of its CernVM"
        self.folder = ipywidgets.Text(description="Folder", placeholder="a new or empty folder")
        self.restore_files = ipywidgets.Button(description="Restore files", icon="folder-open", disabled=True)
        self.machines = ipywidgets.VBox()
        self.search.observe(lambda change: self.refresh(), "value")
        self.list.observe(lambda change: self._choose(), "value")
        self.folder.observe(lambda change: self._choose(), "value")
        self.restore.on_click(lambda button: self._restore())
        self.restore_files.on_click(lambda button: self._restore_files())
        files = ipywidgets.HBox([self.folder, self.restore_files], layout={"flex_flow": "row wrap"})
        self.children = (
            *(self.search, self.status, self.list, self.details),
            *(self.restore, files, self.work, self.machines),
        )
        self.say("Looking into the logbook ...")
        self.begin()

    def look(self) -> float:
        asked = self.search.value
        self.entries = api.entries(asked, limit=_MOST, settings=self.settings)
        options = [(_line(entry), entry.id) for entry in self.entries]
        if list(self.list.options) != options:
            chosen = self.list.value
            self.list.options = options
            if options:
                self.list.value = chosen if chosen in {id for _, id in options} else options[0][1]
        self._choose()
        self._count(asked)
        return _EVERY_S

    @property
    def chosen(self) -> Entry | None:
        """The entry that is chosen, None where the list is empty."""
        return next((entry for entry in self.entries if entry.id == self.list.value), None)

    def _count(self, asked: str) -> None:
        count = len(self.entries)
        more = f", the newest {_MOST} are shown" if count == _MOST else ""
        if count:
            self.say(f"{count} {'entry' if count == 1 else 'entries'}{more}")
        elif asked:
            self.say("There is no such entry.")
        else:
            self.say("The logbook has no entries yet. %vml snapshot writes the first one.")

    def _choose(self) -> None:
        entry = self.chosen
        details = _details(entry) if entry else ""
        if self.details.value != details:
            self.details.value = details
        self.restore.disabled = entry is None or self.work.busy
        self.restore_files.disabled = entry is None or self.work.busy or not self.folder.value.strip()

    def _restore(self) -> None:
        entry = self.chosen
        if entry:
            work = partial(self._in_machine, entry.id)
            self.work.do(f"Restoring {entry.title}", work, self._show_machine, self._choose)
            self._choose()

    def _restore_files(self) -> None:
        entry, folder = self.chosen, self.folder.value.strip()
        if entry and folder:
            work = partial(self._as_files, entry.id, folder)
            self.work.do(f"Writing the files of {entry.title}", work, self._show_files, self._choose)
            self._choose()

    def _in_machine(self, entry: str, progress: Any) -> str:
        return api.restore(entry, settings=self.settings, progress=progress).machine.id

    def _as_files(self, entry: str, folder: str, progress: Any) -> str:
        laid = api.restore_files(entry, folder, settings=self.settings, progress=progress)
        files = "1 file is" if laid.files == 1 else f"{laid.files} files are"
        return f"{files} in {folder}."

    def _show_machine(self, machine: str) -> None:
        self.machines.children = (Machine(machine, settings=self.settings), *self.machines.children)

    def _show_files(self, told: str) -> None:
        self.work.tell(told)


def _line(entry: Entry) -> str:
    tags = "".join(f" #{tag}" for tag in entry.tags)
    return f"{entry.time[:16].replace('T', ' ')}  {entry.title}{tags}  ({release_name(entry)})"


def _details(entry: Entry) -> str:
    note = f"<br>{escape(entry.note)}" if entry.note else ""
    notebook = f", {escape(entry.notebook)}" if entry.notebook else ""
    return (
        f"<strong>Entry <code>{escape(entry.id)}</code></strong>: {escape(entry.title)}"
        f"<br>{escape(content(entry))}, in {escape(release_name(entry))}{notebook}{note}"
    )
