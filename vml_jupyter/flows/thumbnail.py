"""The last plot of an entry's notebook, small enough to be shown in a list.

entry -> its notebook, up to 32 MiB -> the last image among its outputs, up to 1 MiB -> Image {mime, data}

The image is passed on as it is, so no untrusted image is decoded here: the browser does that, and scales it. It is of
a kind that holds pixels only.
"""

from __future__ import annotations

import base64
import binascii

from vml_jupyter.errors import BadNotebook, NotFound
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.held import Opening
from vml_jupyter.flows.reading import Content, content_of, find_anywhere
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.shown import MOST_BYTES, Image, Output, image_of, joined, notebook_of

_MOST_IMAGE = 1 << 20
_KINDS = ("image/png", "image/jpeg", "image/gif", "image/webp")


def last_plot(settings: Settings, entry_id: str, *, opening: Opening = opened) -> Image | None:
    """Return the last image that an entry's notebook shows, None where it shows none.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        LogbookDamaged: The notebook cannot be read.
    """
    with opening(settings) as logbook:
        entry = find_anywhere(logbook, entry_id)
        if not entry.notebook:
            return None
        try:
            content = content_of(logbook.repository, logbook.area_tree(entry), entry.notebook, MOST_BYTES)
        except NotFound:
            return None
    if not content.is_whole:
        return None
    try:
        cells = notebook_of(content.raw).cells
    except BadNotebook:
        return None
    outputs = (output for cell in reversed(cells) for output in reversed(cell.outputs))
    return next(filter(None, map(_image, outputs)), None)


def _image(output: Output) -> Image | None:
    for kind in _KINDS:
        said = output.data.get(kind)
        if not isinstance(said, str | list) or not all(isinstance(part, str) for part in said):
            continue
        text = joined(said)
        if len(text) > _MOST_IMAGE * 3 // 2:
            continue
        try:
            raw = base64.b64decode(text)
        except (binascii.Error, ValueError):
            continue
        # Its first bytes decide what it is, not what the notebook says.
        image = image_of(Content(path="plot", size=len(raw), raw=raw)) if len(raw) <= _MOST_IMAGE else None
        if image:
            return image
    return None
