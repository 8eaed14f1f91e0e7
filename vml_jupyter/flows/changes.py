"""What changed in one file: a text line by line, a notebook cell by cell with its outputs, an image side by side.

    (entry, path), (entry or area, path) -> bytes, bytes -> Text | Notebook | Image | Opaque

``flows.diff`` tells which files changed; this looks into one of them, when somebody asks. Outputs are passed on as
they are stored: whoever shows them must treat them as foreign.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from vml_jupyter.errors import BadNotebook, NotFound
from vml_jupyter.flows import notebooks
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.held import Opening
from vml_jupyter.flows.lines import Hunk, hunks
from vml_jupyter.flows.notebook_diff import LARGEST_BYTES, CellChange, diff_notebooks
from vml_jupyter.flows.reading import Content, content_of, find_anywhere
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.shown import Cell, Image, Output, image_of, notebook_of, text_of
from vml_jupyter.snapshot.compare_area import read_plain

LARGEST_TEXT = 4 << 20
_MOST_OUTPUT_BYTES = 48 << 20
_WHOLE = 1_000_000


class CellPair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cell that is not as it was; numbers count from 0. ``source`` tells how its text changed, where it did."""

    kind: str
    before_number: int | None = None
    after_number: int | None = None
    what: tuple[str, ...] = ()
    before: Cell | None = None
    after: Cell | None = None
    source: list[Hunk] = []


class TextChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    hunks: list[Hunk]
    lines: tuple[int, int]


class NotebookChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="notebook"):
    """``cells`` is how many there are before and after; ``language`` that of their code."""

    pairs: list[CellPair]
    cells: tuple[int, int]
    metadata: bool
    language: str


class ImageChange(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    before: Image | None
    after: Image | None


class Opaque(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="opaque"):
    """What cannot be shown; ``why`` says why not."""

    why: str


FileChange = TextChange | NotebookChange | ImageChange | Opaque


def file_change(
    settings: Settings,
    entry_id: str,
    path: str,
    *,
    other_id: str = "",
    area: Path | None = None,
    opening: Opening = opened,
) -> FileChange:
    """Return how one file changed from an entry to another one, or to a working area as it is now.

    Args:
        settings: Where the logbook is.
        entry_id: The earlier entry.
        path: The file, relative to the working area, as ``flows.diff`` names it.
        other_id: The later entry.
        area: A working area, in the place of a later entry.
        opening: Opens the logbook.

    Raises:
        NotFound, Ambiguous: There is no such entry, or neither side has the file.
        BadArea: The area is none.
    """
    with opening(settings) as logbook:
        repository = logbook.repository
        sides: list[Content | None] = []
        for id in (entry_id, other_id) if area is None else (entry_id,):
            tree = logbook.area_tree(find_anywhere(logbook, id))
            try:
                sides.append(content_of(repository, tree, path, LARGEST_BYTES + 1))
            except NotFound:
                sides.append(None)
    if area is not None:
        sides.append(_now(notebooks.checked_area(area), path))
    before, after = sides
    if before is None and after is None:
        raise NotFound(f"neither side has a file {path!r}", "Compare them again; it may be gone by now.")
    return told(path, before, after)


def told(path: str, before: Content | None, after: Content | None) -> FileChange:
    """Return how a file changed; None stands for one that is absent."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix == ".ipynb" and before and after:
        try:
            return _notebook(before.raw, after.raw)
        except BadNotebook:
            pass  # it is shown as the text that it is
    pictures = [image_of(side) if side else None for side in (before, after)]
    if any(pictures):
        return ImageChange(before=pictures[0], after=pictures[1])
    texts = [_text(side) for side in (before, after)]
    if texts[0] is None or texts[1] is None:
        return Opaque(why="It is no text, or too large to be compared line by line.")
    counts = (texts[0].count("\n"), texts[1].count("\n"))
    return TextChange(hunks=hunks(texts[0], texts[1]), lines=counts)


def _now(area: Path, path: str) -> Content | None:
    if "\0" in path or not all(name not in ("", ".", "..") for name in path.split("/")):
        raise NotFound(f"{path!r} is no file of the working area", "Name one as the comparison does.")
    try:
        raw = read_plain(area, path.encode("utf-8", "surrogateescape"), LARGEST_BYTES + 1)
    except OSError:
        return None
    return Content(path=path, size=len(raw), raw=raw)


def _text(side: Content | None) -> str | None:
    if side is None:
        return ""
    return text_of(side.raw) if side.size <= LARGEST_TEXT else None


def _notebook(before: bytes, after: bytes) -> NotebookChange:
    found = diff_notebooks(before, after)
    left, right = notebook_of(before), notebook_of(after)
    budget = _Budget(_MOST_OUTPUT_BYTES)
    return NotebookChange(
        pairs=[_pair(change, left.cells, right.cells, budget) for change in found.cells],
        cells=(len(left.cells), len(right.cells)),
        metadata=found.metadata,
        language=right.language or left.language,
    )


def _pair(change: CellChange, left: Sequence[Cell], right: Sequence[Cell], budget: _Budget) -> CellPair:
    before = None if change.before is None else left[change.before]
    after = None if change.after is None else right[change.after]
    source: list[Hunk] = []
    if before and after and "source" in change.what:
        source = hunks(before.source, after.source, _WHOLE)
    if before and after and "outputs" not in change.what:  # what is the same on both sides is sent once
        before = msgspec.structs.replace(before, outputs=[])
    return CellPair(
        kind=change.kind,
        before_number=change.before,
        after_number=change.after,
        what=change.what,
        before=budget.kept(before) if before else None,
        after=budget.kept(after) if after else None,
        source=source,
    )


class _Budget:
    """How many bytes of outputs may still be told: a browser has to take them all in."""

    def __init__(self, left: int) -> None:
        self._left = left

    def kept(self, cell: Cell) -> Cell:
        """Return the cell, without its outputs where there is no room for them any more."""
        size = len(msgspec.json.encode(cell.outputs))
        if size > self._left:
            said = f"{len(cell.outputs)} outputs of {size} bytes are too much to be compared here."
            return msgspec.structs.replace(cell, outputs=[Output("stream", name="stderr", text=said)])
        self._left -= size
        return cell
