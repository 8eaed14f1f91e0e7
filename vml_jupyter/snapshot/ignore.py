"""What a snapshot leaves out: the rules of ``.vmlignore``, after those that always hold.

    .vmlignore in the working area's top folder, in gitignore's language:
        results/*.root        leave these out
        !__pycache__/         but do keep what the defaults leave out

The defaults are what programs make again by themselves. A folder that is left out is never entered.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.errors import BadArea

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE_NAME = ".vmlignore"

DEFAULTS = (
    ".ipynb_checkpoints/",
    "__pycache__/",
    "*.py[co]",
    ".cache/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".~lock.*#",
    ".nfs????????????????????????",
    ".Trash-*/",
)


_ANYWHERE = "^(?:.+/)?"  # how pathspec begins a rule that holds in every folder
_GROUP = re.compile(r"\(\?P<\w+>")


class Rules:
    """Tells of a path below the working area whether it stays out.

    Args:
        lines: The rules, the last that fits wins.
        source: Where they were read, for people.

    The rules are made ready when the first path is asked for: a snapshot of an area in which nothing is new asks
    for none.
    """

    def __init__(self, lines: list[str], source: Path | None = None) -> None:
        self._lines = lines
        self._source = source

    @classmethod
    def of(cls, area: Path) -> Rules:
        """Read the rules of a working area.

        Raises:
            BadArea: ``.vmlignore`` is there, but cannot be read.
        """
        file = area / FILE_NAME
        try:
            text = file.read_bytes().decode("latin-1")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise BadArea(f"{file} cannot be read: {error.strerror}", "Make it readable") from error
        return cls([*DEFAULTS, *text.splitlines()], file)

    @property
    def digest(self) -> str:
        """Return what tells these rules from any others."""
        return hashlib.sha256("\n".join(self._lines).encode()).hexdigest()

    def ignores(self, relative: str, is_folder: bool) -> bool:
        """Tell whether ``relative``, with ``/`` and without a leading one, stays out.

        Raises:
            BadArea: A rule is not understood.
        """
        if not relative.isascii():
            # Bytes as characters, as in git: a name need not be UTF-8, and a rule neither.
            relative = os.fsencode(relative).decode("latin-1")
        if is_folder:
            relative += "/"
        return self._may_match(relative) is not None and bool(self._spec.match_file(relative))

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec  # looks for other engines first, which takes longer than the rules

        try:
            return GitIgnoreSpec.from_lines(self._lines)
        except ValueError as error:
            raise BadArea(f"{self._source} is not understood: {error}", "Write it as a .gitignore") from error

    @cached_property
    def _may_match(self) -> Callable[[str], object]:
        """Return a test that only what no rule speaks of fails: one expression in the place of one a rule."""
        rules = [pattern.regex.pattern for pattern in self._spec.patterns if pattern.regex is not None]
        floating = [rule.removeprefix(_ANYWHERE) for rule in rules if rule.startswith(_ANYWHERE)]
        anchored = [rule for rule in rules if not rule.startswith(_ANYWHERE)]
        union = "|".join([*(f"(?:{rule})" for rule in anchored), f"(?:^|/)(?:{'|'.join(floating)})"])
        return re.compile(_GROUP.sub("(?:", union)).search
