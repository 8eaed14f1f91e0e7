"""Reading an entry without restoring it, and what changed in one file of it."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from vml_jupyter.errors import BadArea, BadNotebook, NotFound, VmlError, WouldOverwrite
from vml_jupyter.flows.beside import free_name, is_free, restore_free, restore_keeping
from vml_jupyter.flows.bin import forget
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.changes import ImageChange, NotebookChange, Opaque, TextChange, file_change
from vml_jupyter.flows.notebook_diff import diff_notebooks
from vml_jupyter.flows.reading import Content, details, list_folder, read_file
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.shown import Image, Notebook, Text, shown
from vml_jupyter.flows.shown import Opaque as NotShown
from vml_jupyter.model import Entry

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNiAAAABgADNjd8qAAAAABJRU5ErkJggg=="
)


def cell(id: str, source: str, outputs: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    told = {"cell_type": "code", "id": id, "metadata": {"trusted": True}, "source": source}
    return {**told, "outputs": outputs or [], "execution_count": 1}


def notebook(*cells: dict[str, Any]) -> str:
    language = {"language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": language, "nbformat": 4, "nbformat_minor": 5})


def plot(data: bytes) -> dict[str, Any]:
    image = {"image/png": base64.b64encode(data).decode()}
    return {"output_type": "display_data", "data": image, "metadata": {}}


@pytest.fixture
def area(tmp_path: Path) -> Path:
    area = tmp_path / "fits"
    (area / "src" / "deep").mkdir(parents=True)
    (area / "src" / "deep" / "fit.py").write_text("def fit():\n    return 1\n")
    (area / "Zed.txt").write_text("text\n")
    (area / "plot.png").write_bytes(PNG)
    (area / "link").symlink_to("/etc/passwd")
    (area / "fit.ipynb").write_text(notebook(cell("a", "1"), cell("b", "plot()", [plot(PNG)])))
    Path(os.fsdecode(os.fsencode(area) + b"/odd\xff")).write_bytes(b"odd")
    return area


@pytest.fixture
def entry(settings: Settings, area: Path) -> Entry:
    return capture(settings, area, title="first")


def test_a_folder_is_listed_folders_first(settings: Settings, entry: Entry) -> None:
    listing = list_folder(settings, entry.id)
    names = [(item.name, item.type) for item in listing.items]
    assert names[0] == ("src", "dir")
    assert ("link", "symlink") in names
    assert ("odd\\xff", "file") in names
    assert [item.target for item in listing.items if item.name == "link"] == ["/etc/passwd"]
    assert [item.name for item in list_folder(settings, entry.id, "src/deep").items] == ["fit.py"]


def test_a_file_is_read_or_its_beginning(settings: Settings, entry: Entry) -> None:
    assert read_file(settings, entry.id, "Zed.txt", 100).raw == b"text\n"
    cut = read_file(settings, entry.id, "src/deep/fit.py", 3)
    assert (cut.raw, cut.size, cut.is_whole) == (b"def", 24, False)
    assert read_file(settings, entry.id, "odd\\xff", 100).raw == b"odd"


def test_a_path_that_is_no_file_of_the_entry_is_not_found(
    settings: Settings, entry: Entry, area: Path
) -> None:
    for path in (
        *("../fits/Zed.txt", "src/../Zed.txt", "/etc/passwd", "/Zed.txt", "", ".", "src", "link", "link/x"),
        *("Zed.txt/x", "src//deep", "a\0b", "x" * 9999),
    ):
        with pytest.raises(NotFound):
            read_file(settings, entry.id, path, 100)
        with pytest.raises(NotFound):
            file_change(settings, entry.id, path, other_id=entry.id)
        with pytest.raises(NotFound):
            file_change(settings, entry.id, path, area=area)


def test_an_entry_in_the_bin_can_be_looked_into(settings: Settings, entry: Entry, area: Path) -> None:
    child = capture(settings, area, title="second")
    assert [one.id for one in details(settings, entry.id).children] == [child.id]
    found = details(settings, child.id)
    assert found.parent is not None
    assert found.parent.id == entry.id
    assert found.entry.environment.packages, "the page shows them"
    forget(settings, [child.id])
    assert details(settings, child.id).entry.forgotten
    assert read_file(settings, child.id, "Zed.txt", 9).raw == b"text\n"


def test_a_file_is_shown_as_what_it_is() -> None:
    def told(path: str, raw: bytes, size: int = -1) -> Any:
        return shown(Content(path=path, size=len(raw) if size < 0 else size, raw=raw))

    assert told("x.html", b"<script>") == Text(text="<script>", cut=False)
    assert told("x.png", b"<svg onload=x>") == Text(text="<svg onload=x>", cut=False)
    assert told("x.svg", b"<svg/>") == Image(mime="image/svg+xml", data="PHN2Zy8+", bytes=6)
    assert told("x.txt", PNG).mime == "image/png"
    assert told("x.ipynb", b"no notebook") == Text(text="no notebook", cut=False)
    assert told("x.txt", "ä".encode()[:1], size=2_000_000_0) == Text(text="", cut=True)
    assert isinstance(told("x.bin", b"\0\1"), NotShown)
    assert isinstance(told("x.txt", b"\xff\xfe"), NotShown)
    deep = b'{"nbformat": 4, "cells": ' + b"[" * 100_000
    assert isinstance(told("x.ipynb", deep), Text)


def test_a_notebook_is_shown_without_its_claim_to_be_trusted(settings: Settings, entry: Entry) -> None:
    found = shown(read_file(settings, entry.id, "fit.ipynb", 1 << 20))
    assert isinstance(found, Notebook)
    assert (found.language, [one.source for one in found.cells]) == ("python", ["1", "plot()"])
    assert "trusted" not in repr(found)


def test_a_file_is_compared_with_the_area_and_with_another_entry(
    settings: Settings, entry: Entry, area: Path
) -> None:
    (area / "src" / "deep" / "fit.py").write_text("def fit():\n    return 2\n")
    (area / "fit.ipynb").write_text(notebook(cell("b", "plot()", [plot(PNG + b"x")]), cell("c", "new")))
    (area / "plot.png").unlink()
    (area / "odd2").write_bytes(b"\0")
    other = capture(settings, area, title="second")
    for side in ({"area": area}, {"other_id": other.id}):
        text = file_change(settings, entry.id, "src/deep/fit.py", **side)  # type: ignore[arg-type]
        assert isinstance(text, TextChange)
        assert text.hunks[0].lines[1:] == [("-", "    return 1"), ("+", "    return 2")]
        image = file_change(settings, entry.id, "plot.png", **side)  # type: ignore[arg-type]
        assert isinstance(image, ImageChange)
        assert (image.before is not None, image.after) == (True, None)
        assert isinstance(file_change(settings, entry.id, "odd2", **side), Opaque)  # type: ignore[arg-type]
        cells = file_change(settings, entry.id, "fit.ipynb", **side)  # type: ignore[arg-type]
        assert isinstance(cells, NotebookChange)
        assert [(pair.kind, pair.what) for pair in cells.pairs] == [
            ("removed", ()),
            ("changed", ("outputs",)),
            ("added", ()),
        ]
        changed = cells.pairs[1]
        assert changed.before is not None
        assert changed.after is not None
        assert changed.before.outputs != changed.after.outputs


def test_what_is_there_is_captured_and_kept(settings: Settings, entry: Entry, area: Path) -> None:
    (area / ".vmlignore").write_text("*.tmp\n")
    (area / "left.tmp").write_text("left out of entries")
    assert not is_free(area)
    with pytest.raises(WouldOverwrite):
        restore_free(settings, entry.id, area)
    done = restore_keeping(settings, entry.id, area)
    assert done.kept is not None
    assert done.captured is not None
    assert (done.kept / "left.tmp").read_text() == "left out of entries"
    assert not (area / ".vmlignore").exists()
    assert (area / "Zed.txt").read_text() == "text\n"
    assert read_file(settings, done.captured.id, ".vmlignore", 9).raw == b"*.tmp\n"
    assert free_name(area).name == "fits-2"


def test_a_failed_restore_puts_the_folder_back(settings: Settings, entry: Entry, area: Path) -> None:
    with pytest.raises(VmlError):
        restore_keeping(settings, "nothing-like-it", area)
    assert (area / "Zed.txt").exists()
    assert list(area.parent.glob("fits.before-*")) == []


def test_a_link_is_not_moved_aside(settings: Settings, entry: Entry, area: Path) -> None:
    link = area.parent / "link"
    link.symlink_to(area)
    with pytest.raises(BadArea):
        restore_keeping(settings, entry.id, link)
    file = area.parent / "file"
    file.write_text("mine")
    with pytest.raises(BadArea):
        restore_keeping(settings, entry.id, file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("depth", [50, 200, 900, 3000])
def test_a_notebook_whose_outputs_are_nested(depth: int) -> None:
    """What was read near the bottom of the stack is written again by a web server, which stands higher on it."""
    data = b"[" * depth + b"]" * depth
    raw = b'{"nbformat":4,"cells":[{"cell_type":"code","outputs":[{"output_type":"display_data","data":{"x":'
    raw += data + b"}}]}]}"
    found = shown(Content(path="a.ipynb", size=len(raw), raw=raw))
    assert isinstance(found, Notebook if depth == 50 else Text)
    if depth > 50:
        with pytest.raises(BadNotebook, match="nested"):
            diff_notebooks(raw, raw)
