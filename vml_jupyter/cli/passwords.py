"""Where passwords come from: a file's first line, the environment, or a question on the terminal; never an argument."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from vml_jupyter.cli import output
from vml_jupyter.errors import Usage

NEW = "VML_NEW_PASSWORD"


def read(file: Path) -> str:
    """Return the first line of a password file.

    Raises:
        Usage: It has none, or cannot be read.
    """
    try:
        return file.read_text("utf-8").splitlines()[0].strip()
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise Usage(
            f"the password file {file} cannot be read: {error}", "Name a file whose first line is it."
        ) from error


def new(file: Path | None) -> str:
    """Return a new password: from the file, else the environment, else asked for twice.

    Raises:
        Usage: There is nobody to ask, or the two answers differ.
    """
    if file is not None:
        return read(file)
    if os.environ.get(NEW):
        return os.environ[NEW]
    if not output.page().can_ask():
        raise Usage(
            "the new password is not known", f"Give --new-password-file, set {NEW}, or use a terminal."
        )
    first = getpass.getpass("New password: ")
    if first != getpass.getpass("Once more: "):
        raise Usage("the two passwords differ", "Try again.")
    return first
