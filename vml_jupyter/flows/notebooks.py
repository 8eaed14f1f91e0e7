"""What a working area says about its notebook: does it exist, is it one, what is it about."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import nbformat

from vml_jupyter.errors import BadArea, BadNotebook


def checked_area(area: Path) -> Path:
    """Return the working area as an absolute path.

    Raises:
        BadArea: It is missing, is no folder, or cannot be read.
    """
    absolute = area.expanduser().absolute()
    if not absolute.exists():
        raise BadArea(f"the working area {absolute} does not exist", "Name a folder that does.")
    if not absolute.is_dir():
        raise BadArea(
            f"the working area {absolute} is not a folder", "Name the folder that the notebook lies in."
        )
    try:
        next(absolute.iterdir(), None)
    except PermissionError as error:
        raise BadArea(
            f"the working area {absolute} cannot be read", "Ask its owner, or choose another."
        ) from error
    return absolute.resolve()


def checked_notebook(area: Path, notebook: str) -> str:
    """Return the notebook's path relative to the area, with ``/``.

    Raises:
        BadNotebook: It is outside the area, missing, or not a notebook.
    """
    file = Path(notebook) if Path(notebook).is_absolute() else area / notebook
    try:
        relative = file.resolve().relative_to(area)
    except ValueError:
        raise BadNotebook(
            f"the notebook {notebook} is outside the working area {area}", "Name one inside it."
        ) from None
    if not file.is_file():
        raise BadNotebook(
            f"there is no notebook {relative} in {area}", "Check the name; it is relative to the area."
        )
    _read(file)
    return str(PurePosixPath(relative))


def proposed_title(area: Path, notebook: str) -> str:
    """Return the notebook's first heading, else its name, else the area's name."""
    if not notebook:
        return area.name
    for cell in _read(area / notebook).cells:
        if cell.cell_type == "markdown":
            for line in str(cell.source).splitlines():
                if line.startswith("#") and line.lstrip("# ").strip():
                    return line.lstrip("# ").strip()[:200]
    return PurePosixPath(notebook).stem


def _read(file: Path) -> nbformat.NotebookNode:
    try:
        notebook: nbformat.NotebookNode = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
    except PermissionError as error:
        raise BadNotebook(f"the notebook {file} cannot be read", "Ask its owner for the right to.") from error
    except (
        nbformat.reader.NotJSONError,
        nbformat.ValidationError,
        AttributeError,
        KeyError,
        UnicodeDecodeError,
    ) as error:
        raise BadNotebook(
            f"{file} is not a notebook: {str(error).splitlines()[0][:120]}",
            "Save it again from Jupyter, or name another.",
        ) from error
    return notebook
