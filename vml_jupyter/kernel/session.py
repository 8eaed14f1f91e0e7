"""What the kernel knows of the notebook it runs for: which file it is, and whether the file is behind the browser.

A kernel cannot save the notebook; only the browser has it as it is on the screen. So what it can do is to
notice that the file is behind: the cell that runs now is not in it, or another cell ended after the file was
written.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from vml_jupyter.parsing import parse


class _Cell(msgspec.Struct):
    cell_type: str = ""
    source: str | list[str] = ""


class _Notebook(msgspec.Struct):
    cells: list[_Cell] = []


class Session:
    """The notebook of one IPython shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._ended_at = 0.0

    def watch(self) -> None:
        """Remember from now on when cells end."""
        self._shell.events.register("post_run_cell", self._note_end)

    def unwatch(self) -> None:
        self._shell.events.unregister("post_run_cell", self._note_end)

    def file(self) -> Path | None:
        """Return the notebook file, None where the front end did not tell or it has moved since."""
        named = self._shell.user_ns.get("__session__") or os.environ.get("JPY_SESSION_NAME") or ""
        file = Path(str(named))
        return file.resolve() if file.suffix == ".ipynb" and file.is_file() else None

    def notebook_in(self, area: Path) -> str | None:
        """Return the notebook's path relative to the working area, None where it is unknown or not in it."""
        file = self.file()
        if file is None or not file.is_relative_to(area.resolve()):
            return None
        return file.relative_to(area.resolve()).as_posix()

    def warnings(self, area: Path, notebook: str | None) -> list[str]:
        """Return what the user should know of the notebook before it is captured."""
        file = self.file()
        if notebook is None:
            if file is None:
                return [
                    "Which notebook this is could not be told; the entry has none. Name it with --notebook."
                ]
            return [f"This notebook ({file}) is outside the working area {area}; the entry has none."]
        if file is None or file != (area / notebook).resolve() or not self._is_behind(file):
            return []
        written = time.strftime("%H:%M:%S", time.localtime(file.stat().st_mtime))
        return [
            f"{file.name} on disk is of {written}, older than what you see, and the entry has what is on disk. "
            "Save it (Ctrl+S) and take the snapshot again."
        ]

    def _is_behind(self, file: Path) -> bool:
        return file.stat().st_mtime < self._ended_at or not self._has_this_cell(file)

    def _has_this_cell(self, file: Path) -> bool:
        """Tell whether the saved notebook has the cell that runs now; True where that cannot be known."""
        inputs = self._shell.history_manager.input_hist_raw
        running = inputs[-1].strip() if inputs else ""
        try:
            cells = parse(file.read_bytes(), _Notebook).cells
        except (OSError, msgspec.DecodeError):
            return True
        saved = {"".join(cell.source).strip() for cell in cells if cell.cell_type == "code"}
        return not running or running in saved

    def _note_end(self, result: object) -> None:
        self._ended_at = time.time()
