"""Make the launcher of one entry: the module ``script`` with its configuration in it, and nothing else changed.

CONFIG: dict[str, Any] = {}   -->   CONFIG: dict[str, Any] = json.loads(r'''{...}''')
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources

import msgspec

_EMPTY = "\nCONFIG: dict[str, Any] = {}\n"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A launcher: its text and the SHA-256 of that, by which the server knows it again."""

    text: str
    sha256: str


def written(config: Mapping[str, object]) -> Written:
    """Return the launcher with this configuration; it is shown to people, so it is laid out for them."""
    # No quote and no backslash of a title can end the text that it stands in.
    block = json.dumps(config, indent=4, sort_keys=True).replace("'", "\\u0027")
    source = resources.files("vml_jupyter.launcher").joinpath("script.py").read_text("utf-8")
    before, mark, after = source.partition(_EMPTY)
    assert mark, "the script has the line that is replaced"
    text = f"{before}\nCONFIG: dict[str, Any] = json.loads(r'''{block}''')\n{after}"
    return Written(text=text, sha256=hashlib.sha256(text.encode()).hexdigest())
