"""What the verbs of the command line share: how one is added, how a number is read, how an entry is summed up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vml_jupyter.cli.terminal import size
from vml_jupyter.model import Entry

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def count(word: str) -> int:
    """Read a number of things from the command line."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number above 0")
    return int(word)


def release_name(entry: Entry) -> str:
    release = entry.environment.release
    return release.label if release else "no CernVM"


def content(entry: Entry) -> str:
    """Return what an entry holds: ``3 files, 12 kB, 4 kB new``."""
    new = "" if entry.writer else f", {size(entry.new_bytes)} new"
    return f"{entry.files} files, {size(entry.bytes)}{new}"


def changing(entry: Entry) -> str:
    """Return which files never held still: ``a.log, b.log and 3 others``."""
    named = ", ".join(entry.changing_files)
    others = entry.changing - len(entry.changing_files)
    return f"{named} and {others} others" if others else named
