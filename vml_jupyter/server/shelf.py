"""What the browser asks of entries beyond the list: look into them, compare them, take them, lay them out.

The flows are imported at their first call, as in ``flows``: a Jupyter server must start quickly. All of it blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from vml_jupyter.errors import LogbookMissing
from vml_jupyter.model import Entry, Query
from vml_jupyter.progress import Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.beside import Restored
    from vml_jupyter.flows.changes import FileChange
    from vml_jupyter.flows.diff import Diff
    from vml_jupyter.flows.export import Exported
    from vml_jupyter.flows.held import Held
    from vml_jupyter.flows.preview import Preview
    from vml_jupyter.flows.reading import Details, Listing
    from vml_jupyter.flows.secrets import Scan
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.flows.shown import Image, Shown


class Shelf:
    """The flows that read entries and write files, bound to one user's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_ready = False

    @cached_property
    def _held(self) -> Held:
        from vml_jupyter.flows.held import Held

        return Held()

    def _ready_notebooks(self) -> None:
        """Import what compares notebooks, a second's work, while the user looks at the entry."""
        if not self._is_ready:
            self._is_ready = True
            Thread(target=import_module, args=("nbdime.diffing.notebooks",), name="vml-readying").start()

    def entries(self, query: Query) -> list[Entry]:
        from vml_jupyter.flows.entries import gone, opened, was_made

        try:
            with self._held.opened(self._settings) as logbook:
                found = logbook.listed(query).entries
            if not found:
                with opened(self._settings):  # of the one that is held the disk may have been taken away
                    pass
        except LogbookMissing:
            if was_made(self._settings):
                raise gone(self._settings) from None
            return []  # the first snapshot makes it
        return found

    def preview(self, area: Path, progress: Progress) -> Preview:
        from vml_jupyter.flows.preview import preview

        return preview(self._settings, area, progress)

    def secrets(self, area: Path, progress: Progress) -> Scan:
        from vml_jupyter.flows.area_secrets import area_secrets

        return area_secrets(area, progress)

    def entry_secrets(self, entry: str, progress: Progress) -> Scan:
        from vml_jupyter.flows.entry_secrets import scan
        from vml_jupyter.snapshot.copying import Lessened

        with self._held.opened(self._settings) as logbook:
            return scan(Lessened(logbook.repository), logbook.find_own(entry), progress)

    def export(
        self,
        entry: str,
        target: Path,
        *,
        with_release: bool,
        leave_out: bool,
        allow_secrets: bool,
        progress: Progress,
    ) -> Exported:
        from vml_jupyter.flows.export import export

        return export(
            self._settings,
            [entry],
            target,
            with_release=with_release,
            leave_out=leave_out,
            allow_secrets=allow_secrets,
            progress=progress,
        )

    def lay_example(self, parent: Path) -> Path:
        """Return the example's notebook in its new folder."""
        from vml_jupyter.flows.example import NOTEBOOK, lay_example

        return lay_example(parent) / NOTEBOOK

    def is_shared(self) -> bool:
        from vml_jupyter.flows.places import is_shared

        return is_shared(self._settings)

    def thumbnail(self, entry: str) -> Image | None:
        from vml_jupyter.flows.thumbnail import last_plot

        return last_plot(self._settings, entry, opening=self._held.opened)

    def capture(
        self,
        area: Path,
        *,
        notebook: str | None,
        cell: str,
        title: str,
        note: str,
        release: str | None,
        tags: Sequence[str],
        leave_out: Sequence[str],
        automatic: bool,
        progress: Progress,
    ) -> Entry:
        from vml_jupyter.flows.capture import capture
        from vml_jupyter.flows.leaving import leave_out as keep_out
        from vml_jupyter.flows.thinning import thin

        keep_out(area, leave_out)
        taken = capture(
            self._settings,
            area,
            notebook=notebook,
            cell=cell,
            title=title,
            note=note,
            release=release,
            tags=tags,
            automatic=automatic,
            progress=progress,
        )
        if automatic:
            thin(self._settings)
        return taken

    def details(self, entry: str) -> Details:
        from vml_jupyter.flows.reading import details

        self._ready_notebooks()
        return details(self._settings, entry, opening=self._held.opened)

    def folder(self, entry: str, path: str) -> Listing:
        from vml_jupyter.flows.reading import list_folder

        return list_folder(self._settings, entry, path, opening=self._held.opened)

    def file(self, entry: str, path: str) -> Shown:
        from vml_jupyter.flows.reading import read_file
        from vml_jupyter.flows.shown import MOST_BYTES, shown

        return shown(read_file(self._settings, entry, path, MOST_BYTES, opening=self._held.opened))

    def changes(self, before: str, after: str, area: Path | None, progress: Progress) -> Diff:
        from vml_jupyter.flows.diff import diff

        return diff(
            self._settings,
            before,
            after,
            area=area,
            with_notebooks=False,
            progress=progress,
            opening=self._held.opened,
        )

    def file_change(self, before: str, after: str, area: Path | None, path: str) -> FileChange:
        from vml_jupyter.flows.changes import file_change

        return file_change(self._settings, before, path, other_id=after, area=area, opening=self._held.opened)

    def restore_files(self, entry: str, target: Path, *, keep: bool, progress: Progress) -> Restored:
        from vml_jupyter.flows.beside import restore_free, restore_keeping

        restore = restore_keeping if keep else restore_free
        return restore(self._settings, entry, target, progress)

    def empty_bin(self, entries: Sequence[str]) -> list[Entry]:
        from vml_jupyter.flows.bin import empty_bin

        return empty_bin(self._settings, entries)
