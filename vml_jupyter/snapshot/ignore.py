"""What a snapshot leaves out: the rules of ``.vmlignore``, after those that always hold.

    .vmlignore in the working area's top folder, in gitignore's language:
        results/*.root        leave these out
        !__pycache__/         but do keep what the defaults leave out

The defaults are what programs make again by themselves. A folder that is left out is never entered.
"""

from __future__ import annotations

import os
from pathlib import Path

import pathspec

from vml_jupyter.errors import BadArea

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


class Rules:
    """Tells of a path below the working area whether it stays out."""

    def __init__(self, lines: list[str]) -> None:
        self._match = pathspec.GitIgnoreSpec.from_lines(lines).match_file

    @classmethod
    def of(cls, area: Path) -> Rules:
        """Read the rules of a working area.

        Raises:
            BadArea: ``.vmlignore`` is there, but cannot be read or understood.
        """
        try:
            text = (area / FILE_NAME).read_bytes().decode("latin-1")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise BadArea(
                f"{area / FILE_NAME} cannot be read: {error.strerror}", "Make it readable"
            ) from error
        try:
            return cls([*DEFAULTS, *text.splitlines()])
        except ValueError as error:
            raise BadArea(
                f"{area / FILE_NAME} is not understood: {error}", "Write it as a .gitignore"
            ) from error

    def ignores(self, relative: str, is_folder: bool) -> bool:
        """Tell whether ``relative``, with ``/`` and without a leading one, stays out."""
        if not relative.isascii():
            # Bytes as characters, as in git: a name need not be UTF-8, and a rule neither.
            relative = os.fsencode(relative).decode("latin-1")
        return bool(self._match(f"{relative}/" if is_folder else relative))
