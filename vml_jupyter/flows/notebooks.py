"""What a working area says about its notebook: does it exist, is it one, what is it about."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

from vml_jupyter.errors import BadArea, BadNotebook
from vml_jupyter.parsing import parse


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
    _cells(file)
    return str(PurePosixPath(relative))


def proposed_title(area: Path, notebook: str) -> str:
    """Return the notebook's first heading, else its name, else the area's name."""
    if not notebook:
        return area.name
    for cell in _cells(area / notebook):
        if cell.cell_type == "markdown":
            for line in cell.lines():
                if line.startswith("#") and line.lstrip("# ").strip():
                    return line.lstrip("# ").strip()[:200]
    return PurePosixPath(notebook).stem


class _Cell(msgspec.Struct, frozen=True):
    cell_type: str
    source: str | list[str] = ""

    def lines(self) -> list[str]:
        return (self.source if isinstance(self.source, str) else "".join(self.source)).splitlines()


class _Notebook(msgspec.Struct, frozen=True):
    """As much of a notebook as is asked for here; before format 4 the cells lay one level deeper."""

    nbformat: int
    cells: list[_Cell] | None = None
    worksheets: list[object] | None = None


def _cells(file: Path) -> list[_Cell]:
    """Read a notebook; only an old one costs the import of nbformat, which is most of a command's time."""
    try:
        raw = file.read_bytes()
        found = parse(raw, _Notebook)
        if found.cells is None and found.worksheets is not None:
            found = _converted(raw)
    except PermissionError as error:
        raise BadNotebook(f"the notebook {file} cannot be read", "Ask its owner for the right to.") from error
    except msgspec.DecodeError as error:
        raise _none(file, str(error)) from error
    if found.cells is None:
        raise _none(file, "it has no cells")
    return found.cells


def _converted(raw: bytes) -> _Notebook:
    import nbformat

    try:
        text: str = nbformat.writes(nbformat.reads(raw.decode(), as_version=4))  # type: ignore[no-untyped-call]
    except Exception as error:  # its converters take for granted that a notebook is one, and fail in any way
        raise msgspec.DecodeError(f"it cannot be converted: {error}") from error
    return parse(text, _Notebook)


def _none(file: Path, why: str) -> BadNotebook:
    return BadNotebook(
        f"{file} is not a notebook: {why[:120]}", "Save it again from Jupyter, or name another."
    )
