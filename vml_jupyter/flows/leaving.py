r"""Leave files out of this snapshot and later ones: a line for each in the area's own ``.vmlignore``.

    "data/my key.pem"  ->  /data/my\ key.pem

The lines are the user's to see and to take out again; what stands there already stays.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from vml_jupyter.errors import BadArea
from vml_jupyter.snapshot.ignore import FILE_NAME

_SPECIAL = re.compile(r"([\\*?\[\]!# ])")
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def leave_out(area: Path, names: Sequence[str]) -> None:
    """Add rules to ``.vmlignore`` that keep files out.

    Args:
        area: The working area.
        names: Their paths relative to it, with ``/``.

    Raises:
        BadArea: A name is none, or the file cannot be written.
    """
    rules = [_rule(name) for name in names]
    if not rules:
        return
    try:
        with open(os.open(area / FILE_NAME, _OPEN, 0o666), "r+", newline="") as file:  # noqa: PTH123 - a descriptor
            there = file.read()
            new = [rule for rule in rules if rule not in there.splitlines()]
            file.write(
                ("" if not there or there.endswith("\n") else "\n") + "".join(f"{one}\n" for one in new)
            )
    except (OSError, UnicodeDecodeError) as error:
        raise BadArea(f"{FILE_NAME} cannot be written: {error}", "Add the lines yourself") from error


def _rule(name: str) -> str:
    parts = name.split("/")
    if not name or "\n" in name or "\r" in name or "\0" in name or {"", ".", ".."} & set(parts):
        raise BadArea(f"{name!r} names no file of the working area", f"Write it into {FILE_NAME} yourself")
    return "/" + _SPECIAL.sub(r"\\\1", name)
