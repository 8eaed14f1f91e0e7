"""The verb context: what tells a machine made by hand to be the CernVM of an entry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.context import USER_DATA_LIMIT
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs

_ABOUT = """\
Write the context of an entry, for a machine that you make yourself. It pins the CernVM system and every CernVM-FS
repository that the entry recorded. It holds no token, no agent and no account: add keys or users of your own, and
get the files with `vml restore ENTRY --to DIR`."""


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    context = verbs.add_parser(
        "context", parents=[common], description=_ABOUT, help="write the context of an entry for use by hand"
    )
    context.add_argument("entry", metavar="ENTRY")
    what = context.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "-o", "--output", type=Path, metavar="FILE.iso", help="write it as an ISO, label config-2"
    )
    what.add_argument("--text", action="store_true", help="print the user-data, as for a cloud's web page")
    context.add_argument("--overwrite", action="store_true", help="replace FILE.iso if it is there")
    context.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        dest="extra",
        help="tell micro-CernVM more, e.g. cvmfs_http_proxy=http://proxy:3128;DIRECT",
    )
    add_choices(context)
    context.set_defaults(run=_context)


def add_choices(verb: argparse.ArgumentParser) -> None:
    """Add the options with which another machine than the recorded one is chosen."""
    verb.add_argument("--release", metavar="X.Y.Z.W", help="another CernVM than the recorded one")
    verb.add_argument(
        "--without-pin",
        action="append",
        default=[],
        metavar="REPO",
        help="let this CernVM-FS repository follow its newest revision (all: every one); may be repeated",
    )


def _setting(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{word!r} is not KEY=VALUE")
    return key, value


def _context(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.context import context_of, write

    context = context_of(
        settings,
        arguments.entry,
        release=arguments.release,
        without_pins=arguments.without_pin,
        extra=dict(arguments.extra),
    )
    output.result(context)
    if arguments.output:
        write(context, arguments.output, overwrite=arguments.overwrite)
    if arguments.json:
        output.as_json(
            {
                "entry": context.entry,
                "release": context.release,
                "pins": context.pins,
                "left_out": context.left_out,
                **({"path": str(arguments.output.absolute())} if arguments.output else {}),
                "user_data": context.user_data.decode("ascii"),
            }
        )
    elif arguments.text:
        output.raw(context.user_data.decode("ascii"))
    else:
        output.line(f"{arguments.output}: {context.release.label} for entry {context.entry}")
        output.line(f"  user-data of {len(context.user_data)} bytes; a machine can be told {USER_DATA_LIMIT}")
        for pin in context.pins:
            output.line(f"  pinned: {pin.label}")
        for name in context.left_out:
            output.line(f"  not pinned: {name}")
        output.line("  no account, token or working area; `vml restore ENTRY --to DIR` gives the files")
