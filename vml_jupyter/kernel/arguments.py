"""The words after ``%vml``: the same verbs and options as the command line's, for the notebook one is in."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import NoReturn

from vml_jupyter.errors import Usage


class _HelpShown(Exception):
    """Help was printed; there is nothing else to do."""


class _Parser(argparse.ArgumentParser):
    """An argparse that raises where the command line would end the process."""

    def error(self, message: str) -> NoReturn:
        raise Usage(message, f"`{self.prog} --help` shows how it is written.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise _HelpShown


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
        return _parser().parse_args(words or ["--help"])
    except _HelpShown:
        return None


def _parser() -> _Parser:
    parser = _Parser(
        prog="%vml", description="Snapshots of this notebook's working area, and the way back to them."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)

    snapshot = verbs.add_parser("snapshot", help="write the working area and its CernVM into the logbook")
    snapshot.add_argument("area", nargs="?", type=Path, metavar="AREA", help="default: the current folder")
    snapshot.add_argument("-m", "--message", "--title", dest="title", default="", help="the entry's title")
    snapshot.add_argument("--note", default="", help="a note in Markdown")
    snapshot.add_argument("--notebook", metavar="REL", help="default: this notebook, where it is known")
    snapshot.add_argument("--release", metavar="X.Y.Z.W", help="the CernVM to go back to, outside CernVM")

    snapshot.add_argument("--tag", action="append", default=[], metavar="TAG", help="may be repeated")
    snapshot.add_argument("--project", metavar="NAME", help="default: as the area's last entry")

    listing = verbs.add_parser("list", help="list or search the logbook's entries, newest first")
    listing.add_argument("-n", dest="count", type=_count, metavar="N", help="only the newest N")
    listing.add_argument("--search", metavar="TEXT", default="", help="words that are in an entry's texts")
    listing.add_argument("--tag", action="append", default=[], metavar="TAG", help="a tag it has")
    listing.add_argument("--project", metavar="NAME", default="", help="what it belongs to")
    listing.add_argument("--bin", action="store_true", help="what was forgotten, instead")

    edit = verbs.add_parser("edit", help="change an entry's title, note, tags or project")
    edit.add_argument("entry", metavar="ENTRY", help="an entry's id, or its beginning")
    edit.add_argument("-m", "--title", help="its title")
    edit.add_argument("--note", help="its note, in Markdown")
    edit.add_argument("--tag", action="append", default=[], metavar="X", help="a tag to add")
    edit.add_argument("--untag", action="append", default=[], metavar="X", help="a tag to remove")
    edit.add_argument("--project", metavar="NAME", help="what it belongs to")

    diff = verbs.add_parser("diff", help="tell what changed from one entry to another")
    diff.add_argument("entry", metavar="A", help="the earlier entry; alone, it is compared with its parent")
    diff.add_argument("other", metavar="B", nargs="?", default="", help="the later entry")
    diff.add_argument("--area", type=Path, metavar="DIR", help="compare A with this folder as it is now")
    diff.add_argument("--notebooks", action="store_true", help="show changed notebooks cell by cell")

    for verb, what in (("forget", "put entries into the bin"), ("unforget", "take entries out of the bin")):
        verbs.add_parser(verb, help=what).add_argument("entry", metavar="ENTRY", nargs="+")

    restore = verbs.add_parser("restore", help="reopen an entry's notebook in a machine of its CernVM")
    restore.add_argument("entry", metavar="ENTRY", help="an entry's id, or its beginning")
    restore.add_argument("--to", type=Path, metavar="DIR", help="only the files, into a new or empty folder")
    restore.add_argument("--release", metavar="X.Y.Z.W", help="another CernVM than the recorded one")
    restore.add_argument(
        "--without-pin", action="append", default=[], metavar="REPO", help="let this repository be its newest"
    )

    verbs.add_parser("machines", help="list the machines that were made for entries")
    for verb, what in (
        ("open", "show the link to a machine's notebook"),
        ("start", "start a machine that was stopped"),
        ("stop", "shut a machine down; it can be started again"),
        ("delete", "remove a machine and all that belongs to it"),
    ):
        verbs.add_parser(verb, help=what).add_argument(
            "machine", metavar="M", help="a machine's id, or its beginning"
        )
    return parser


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of entries")
    return int(word)
