"""What the labextension adds to a page of JupyterLab."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

BUILT = Path(__file__).parent.parent.parent / "vml_jupyter" / "labextension"
LAZY = ("entry-page", "machine-page", "machine-frame", "settings-page")
"""The names of the chunks that are loaded at the first use, as ``webpackChunkName`` gives them."""


def test_it_is_small_and_what_is_not_needed_at_once_comes_later() -> None:
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in (BUILT / "static").glob("*.js")}
    assert sum(sizes.values()) <= 500_000
    for name in LAZY:
        assert [file for file in sizes if file.partition(".")[0] == name], f"{name} is no chunk of its own"
    at_once = {file: size for file, size in sizes.items() if file.partition(".")[0] not in LAZY}
    assert sum(at_once.values()) <= 100_000, at_once


def test_the_page_is_told_what_to_load() -> None:
    told = json.loads((BUILT / "package.json").read_text())["jupyterlab"]["_build"]
    assert (BUILT / told["load"]).is_file()
