"""The built extension: small, and what is not needed at once comes when it is needed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import vml_jupyter

BUILT = Path(vml_jupyter.__file__).parent / "labextension"
MOST_BYTES = 500_000
MOST_AT_ONCE = 100_000


def zipped(*patterns: str) -> dict[str, int]:
    files = {file for pattern in patterns for file in (BUILT / "static").glob(pattern)}
    return {file.name: len(gzip.compress(file.read_bytes())) for file in files}


def test_it_is_small_and_its_pages_are_loaded_when_they_are_opened() -> None:
    everything = zipped("*.js")
    assert sum(everything.values()) <= MOST_BYTES
    pages = {name for name in everything if "page" in name or "frame" in name}
    assert len(pages) >= 3, f"the pages are chunks of their own: {sorted(everything)}"
    at_once = {name: size for name, size in everything.items() if name not in pages}
    assert sum(at_once.values()) <= MOST_AT_ONCE, at_once


def test_what_lab_loads_first_is_the_entry_alone() -> None:
    built = json.loads((BUILT / "package.json").read_text())["jupyterlab"]["_build"]
    assert Path(built["load"]).name.startswith("remoteEntry")
