"""From a path of Jupyter's Contents API to a working area on disk.

"fits/higgs.ipynb"  ->  Area(folder=<root>/fits, notebook="higgs.ipynb")
"fits"              ->  Area(folder=<root>/fits, notebook=None)
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jupyter_server.services.contents.fileio import FileManagerMixin

from vml_jupyter.errors import BadArea


class Area(NamedTuple):
    """A working area and the notebook in it that was open, if any."""

    folder: Path
    notebook: str | None


def area_at(contents_manager: Any, path: str) -> Area:
    """Return the working area that ``path`` names: a folder, or the folder of a file.

    A symbolic link inside the root is followed, as the file browser does: who made it could have opened
    its target anyway. A path that climbs out of the root is not.

    Raises:
        BadArea: This server keeps its files elsewhere than on disk, or the path leaves the root.
    """
    root_dir = getattr(contents_manager, "root_dir", "")
    if not isinstance(contents_manager, FileManagerMixin) or not root_dir:
        raise BadArea(
            f"This Jupyter server keeps its files in a {type(contents_manager).__name__}, not in a folder",
            "Take the snapshot on the computer that has the files, with `vml snapshot`",
        )
    parts = PurePosixPath(path.strip("/")).parts
    if ".." in parts or "\0" in path:
        raise BadArea(f"{path!r} leads out of the folder that this server shows", "Choose a folder inside it")
    target = Path(root_dir).expanduser().joinpath(*parts)
    if target.is_dir():
        return Area(target, None)
    if not target.is_file():
        raise BadArea(f"There is no file {path!r} on this server", "Save the notebook first")
    return Area(target.parent, target.name if target.suffix == ".ipynb" else None)
