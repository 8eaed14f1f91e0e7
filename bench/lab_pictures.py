"""Two entries of a notebook of 16 MB, which differ in one cell and its picture."""

from __future__ import annotations

import base64
import json
import random
import struct
import zlib
from pathlib import Path
from typing import Any

from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings

_PICTURES, _PICTURE_BYTES = 48, 250_000


def pictures(settings: Settings, scratch: Path) -> str:
    """Capture a notebook of 16 MB with pictures twice, one of them changed; return the id of the second entry."""
    area = scratch / "pictures"
    area.mkdir()
    entry = ""
    for changed in (0, 1):
        noise = random.Random(1)
        cells = [
            _plot(number, changed if number == _PICTURES // 2 else 0, noise) for number in range(_PICTURES)
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        body = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
        (area / "plots.ipynb").write_text(json.dumps(body))
        entry = capture(settings, area, notebook="plots.ipynb", title=f"pictures {changed}").id
    return entry


def _plot(number: int, changed: int, noise: random.Random) -> dict[str, Any]:
    picture = _png(noise.randbytes(_PICTURE_BYTES), changed)
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": "<Figure>"}
    return {
        "cell_type": "code",
        "id": f"cell{number}",
        "metadata": {},
        "execution_count": number,
        "source": f"plot({number}, {changed})",
        "outputs": [{"output_type": "display_data", "data": data, "metadata": {}}],
    }


def _png(grey: bytes, changed: int) -> bytes:
    """Return noise as a picture of 500 pixels in width, one shade of it changed."""
    rows = [bytes([0, changed]) + grey[at + 1 : at + 500] for at in range(0, len(grey), 500)]
    head = struct.pack(">IIBBBBB", 500, len(rows), 8, 0, 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress(b"".join(rows), 0), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
