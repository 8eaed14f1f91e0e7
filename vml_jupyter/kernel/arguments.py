"""The words after ``%vml``: the grammar of the command line, with mistakes told as errors instead of an exit."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import NoReturn

from vml_jupyter.cli.main import joined, parser
from vml_jupyter.errors import Usage

_INTRODUCTION = """\
Take snapshots of this notebook's working area, and go back to them.

    %vml snapshot -m "first fit"    this folder, this notebook and this kernel, as a new entry of the logbook
    %vml list                       the entries; TAB completes their ids
    %vml restore ENTRY              reopen one's notebook in a machine of its CernVM
    %vml machines                   the machines, each with its state

The same verbs and options as the command line's `vml`. A result can be kept, `entry = %vml snapshot`: it is the record,
or the list of records, that the verb is about. An entry or a machine is named by its id or the beginning of it.
"""


class _HelpShown(Exception):
    """Help was printed; there is nothing else to do."""


class _Parser(argparse.ArgumentParser):
    """An argparse that raises where the command line would end the process."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message, f"`{self.prog} --help` shows how it is written.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _HelpShown


def grammar() -> argparse.ArgumentParser:
    """Return the grammar of what follows ``%vml``."""
    return parser("%vml", _Parser, with_version=False)


def parse(line: str) -> argparse.Namespace | None:
    """Return the parsed line, None where it only asked for help, which is then printed.

    Raises:
        Usage: The line is not understood.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise Usage(f"the line cannot be read: {error}", "Close every quotation mark.") from None
    try:
        return grammar().parse_args(joined(words) or ["--help"])
    except _HelpShown:
        return None


def manual() -> str:
    """Return all that can be written after ``%vml``, verb by verb."""
    return "\n".join([_INTRODUCTION, *(verb.format_help() for verb in _verbs(grammar()))])


def below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the verbs that may come next, by name; none where no verb is expected."""
    for action in parser._actions:  # argparse has no other way to tell
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _verbs(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for verb in below(parser).values():
        yield verb
        yield from _verbs(verb)
