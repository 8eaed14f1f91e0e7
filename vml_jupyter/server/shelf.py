"""What the browser asks of entries beyond the list: look into them, compare them, take them, lay them out.

The flows are imported at their first call, as in ``flows``: a Jupyter server must start quickly. All of it blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.model import Entry
from vml_jupyter.progress import Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.beside import Restored
    from vml_jupyter.flows.changes import FileChange
    from vml_jupyter.flows.diff import Diff
    from vml_jupyter.flows.preview import Preview
    from vml_jupyter.flows.reading import Details, Listing
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.flows.shown import Shown


class Shelf:
    """The flows that read entries and write files, bound to one user's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def preview(self, area: Path, progress: Progress) -> Preview:
        from vml_jupyter.flows.preview import preview

        return preview(self._settings, area, progress)

    def capture(
        self,
        area: Path,
        *,
        notebook: str | None,
        title: str,
        note: str,
        release: str | None,
        tags: Sequence[str],
        progress: Progress,
    ) -> Entry:
        from vml_jupyter.flows.capture import capture

        return capture(
            self._settings,
            area,
            notebook=notebook,
            title=title,
            note=note,
            release=release,
            tags=tags,
            progress=progress,
        )

    def details(self, entry: str) -> Details:
        from vml_jupyter.flows.reading import details

        return details(self._settings, entry)

    def folder(self, entry: str, path: str) -> Listing:
        from vml_jupyter.flows.reading import list_folder

        return list_folder(self._settings, entry, path)

    def file(self, entry: str, path: str) -> Shown:
        from vml_jupyter.flows.reading import read_file
        from vml_jupyter.flows.shown import MOST_BYTES, shown

        return shown(read_file(self._settings, entry, path, MOST_BYTES))

    def changes(self, before: str, after: str, area: Path | None, progress: Progress) -> Diff:
        from vml_jupyter.flows.diff import diff

        return diff(self._settings, before, after, area=area, with_notebooks=False, progress=progress)

    def file_change(self, before: str, after: str, area: Path | None, path: str) -> FileChange:
        from vml_jupyter.flows.changes import file_change

        return file_change(self._settings, before, path, other_id=after, area=area)

    def restore_files(self, entry: str, target: Path, *, keep: bool, progress: Progress) -> Restored:
        from vml_jupyter.flows.beside import restore_free, restore_keeping

        restore = restore_keeping if keep else restore_free
        return restore(self._settings, entry, target, progress)

    def empty_bin(self, entries: Sequence[str]) -> list[Entry]:
        from vml_jupyter.flows.bin import empty_bin

        return empty_bin(self._settings, entries)
