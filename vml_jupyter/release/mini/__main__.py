"""Build the mini release from a terminal: ``python -m vml_jupyter.release.mini [--data DIR]``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from vml_jupyter.errors import VmlError
from vml_jupyter.release.mini.builder import build


class _Lines:
    """Tell a terminal the stages, one line each, with the seconds since the start."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def stage(self, name: str, title: str) -> None:
        print(f"[{time.monotonic() - self._since:5.0f} s] {title}", file=sys.stderr)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        return None

    def note(self, text: str) -> None:
        print(text, file=sys.stderr)


def _default_data() -> Path:
    return Path(os.environ.get("VML_DATA") or Path.home() / ".local" / "share" / "vml")


def main() -> int:
    """Build, then print where the release repository lies."""
    parser = argparse.ArgumentParser(prog="python -m vml_jupyter.release.mini", description=__doc__)
    parser.add_argument("--data", type=Path, default=_default_data(), help="where VML keeps its data")
    arguments = parser.parse_args()
    try:
        print(build(arguments.data, _Lines()))
    except VmlError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
