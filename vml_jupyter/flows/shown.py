"""A stored file as something that can be shown: a notebook, an image, a text, or none of these.

    bytes -> Notebook {cells, language} | Image {mime, data} | Text {text} | Opaque

What a file is called decides nothing that could do harm: an image is one by its first bytes, and everything else
that is text is shown as its source, HTML and JavaScript, too.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vml_jupyter.errors import BadNotebook
from vml_jupyter.flows.reading import Content
from vml_jupyter.parsing import is_shallow, parse

MOST_BYTES = 32 << 20
_MOST_TEXT = 2 << 20
_MOST_IMAGE = 16 << 20
_PROBED = 1 << 16
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
_Text = str | list[str]


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """One output of a cell, as nbformat has it; ``data`` holds a value for each MIME type."""

    output_type: str
    name: str = ""
    text: _Text = ""
    data: dict[str, Any] = {}
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []


class Cell(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cell; its metadata, which may claim that it is trusted, is left out."""

    type: str
    source: str
    outputs: list[Output] = []
    execution_count: int | None = None
    attachments: dict[str, dict[str, Any]] = {}


class Notebook(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="notebook"):
    cells: list[Cell]
    language: str


class Image(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="image"):
    """``data`` is base64; an SVG is to be shown as an image, in which nothing can run."""

    mime: str
    data: str
    bytes: int


class Text(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="text"):
    """``cut`` tells that this is the beginning only."""

    text: str
    cut: bool


class Opaque(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="opaque"):
    """What cannot be shown; ``why`` says why not."""

    why: str


Shown = Notebook | Image | Text | Opaque


class _RawCell(msgspec.Struct):
    cell_type: str
    source: _Text = ""
    outputs: list[Output] = []
    execution_count: int | None = None
    attachments: dict[str, dict[str, Any]] = {}


class _RawNotebook(msgspec.Struct):
    nbformat: int
    cells: Annotated[list[_RawCell], Meta(max_length=10_000)]
    metadata: dict[str, Any] = {}


def shown(content: Content) -> Shown:
    """Return a file the way it can be shown."""
    if PurePosixPath(content.path).suffix.lower() == ".ipynb" and content.is_whole:
        try:
            return notebook_of(content.raw)
        except BadNotebook:
            pass  # what only has a notebook's name is shown as a text
    image = image_of(content)
    if image is not None:
        return image
    text = text_of(content.raw[:_MOST_TEXT], cut=content.size > _MOST_TEXT)
    if text is None:
        return Opaque(why="This is no text and no image; restore it to look into it.")
    return Text(text=text, cut=content.size > _MOST_TEXT)


def notebook_of(raw: bytes) -> Notebook:
    """Return the cells of a notebook of format 4.

    Raises:
        BadNotebook: It is none.
    """
    try:
        found = parse(raw, _RawNotebook)
    except msgspec.DecodeError as error:
        raise BadNotebook(f"this is no notebook: {str(error)[:200]}", "Open it as a text.") from error
    loose = [cell.attachments for cell in found.cells]
    if not is_shallow([*loose, *(output.data for cell in found.cells for output in cell.outputs)]):
        raise BadNotebook("this is no notebook: its outputs are nested too deeply", "Open it as a text.")
    return Notebook(cells=list(map(_cell, found.cells)), language=_language(found.metadata))


def image_of(content: Content) -> Image | None:
    """Return an image that is whole and not too large, else None."""
    if not content.is_whole or content.size > _MOST_IMAGE:
        return None
    mime = next((mime for magic, mime in _IMAGES if content.raw.startswith(magic)), "")
    if not mime and PurePosixPath(content.path).suffix.lower() == ".svg" and b"<svg" in content.raw[:_PROBED]:
        mime = "image/svg+xml"
    if not mime:
        return None
    return Image(mime=mime, data=base64.b64encode(content.raw).decode(), bytes=content.size)


def text_of(raw: bytes, cut: bool = False) -> str | None:
    """Return what is text in UTF-8, else None; where it was cut, its last character may be a part of one."""
    if b"\0" in raw[:_PROBED]:
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return raw[: error.start].decode("utf-8-sig") if cut and error.start > len(raw) - 4 else None


def _cell(cell: _RawCell) -> Cell:
    return Cell(
        type=cell.cell_type,
        source=joined(cell.source),
        outputs=cell.outputs,
        execution_count=cell.execution_count,
        attachments=cell.attachments,
    )


def _language(metadata: dict[str, Any]) -> str:
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata.get(key)
        if isinstance(said, dict) and isinstance(said.get(name), str):
            return str(said[name])[:100]
    return ""


def joined(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
