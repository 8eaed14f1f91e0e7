"""The verb config: which settings there are, what they are now and who says so, and changing them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.flows.config import Configured

_FROM = {"environment": "the variable {}", "file": "the file", "default": "the default"}


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    config = verbs.add_parser(
        "config", help="the settings: what they are, where that comes from; change them"
    )
    what = config.add_subparsers(dest="what", metavar="VERB", required=True)
    listing = what.add_parser(
        "list", parents=[common], help="list all settings and where each value comes from"
    )
    listing.set_defaults(run=_list)
    for name, run, told in (
        ("get", _get, "print what a setting is now"),
        ("set", _set, "write a setting into the configuration file"),
        ("unset", _unset, "take a setting out of the configuration file"),
    ):
        verb = what.add_parser(name, parents=[common], help=told, description=told)
        verb.add_argument(
            "setting",
            metavar="SETTING",
            help="its name, as `vml config list` has it; logbooks.NAME is a line of one",
        )
        if name == "set":
            verb.add_argument(
                "value",
                metavar="VALUE",
                nargs="+",
                help="its value; several for a list; JSON where it is a table",
            )
        verb.set_defaults(run=run)


def _list(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.config import file_of, listing

    found = listing()
    output.result(found)
    if arguments.json:
        output.as_json({"file": file_of(), "settings": found})
        return
    rows = [(each.name, each.shown, _FROM[each.origin].format(each.variable), each.help) for each in found]
    output.table(("SETTING", "VALUE", "FROM", "WHAT IT IS"), rows, "Settings")
    output.line(f"The file is {file_of()}.")


def _get(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.config import get

    found = get(arguments.setting)
    output.result(found)
    if arguments.json:
        output.as_json(found)
        return
    output.line(found.shown)


def _set(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.config import set

    _tell(arguments, set(arguments.setting, arguments.value))


def _unset(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.config import unset

    now = unset(arguments.setting)
    if now:
        _tell(arguments, now)
    elif arguments.json:
        output.as_json({"name": arguments.setting, "value": None})
    else:
        output.line(f"{arguments.setting} is gone.")


def _tell(arguments: argparse.Namespace, now: Configured) -> None:
    output.result(now)
    if now.origin == "environment":
        output.warn(f"the variable {now.variable} is set, and it wins over the file")
    if arguments.json:
        output.as_json(now)
        return
    output.line(f"{now.name} is {now.shown}, by {_FROM[now.origin].format(now.variable)}.")
