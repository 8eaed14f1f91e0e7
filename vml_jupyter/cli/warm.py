"""The verb warm: saved machines of releases, from which a restore takes seconds."""

from __future__ import annotations

import argparse
import datetime
from typing import TYPE_CHECKING

from vml_jupyter import api
from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import size
from vml_jupyter.errors import Usage
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.machine import Kept


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    warm = verbs.add_parser(
        "warm",
        parents=[common],
        help="keep a release as a saved machine, from which restores take seconds; list or remove those kept",
    )
    warm.add_argument("release", metavar="RELEASE", nargs="?", default="", help="X.Y.Z.W, or an added image")
    what = warm.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list those kept (also where nothing is named)")
    what.add_argument("--remove", action="store_true", help="remove those of RELEASE, or all")
    what.add_argument("--again", action="store_true", help="make it anew though there is one")
    warm.set_defaults(run=_warm)


def _warm(settings: Settings, arguments: argparse.Namespace) -> None:
    if arguments.again and not arguments.release:
        raise Usage("--again needs a release", "Name it, e.g. vml warm 4.5.1.0 --again.")
    if arguments.remove:
        _told(arguments, api.warm_remove(arguments.release, settings=settings), "removed")
    elif arguments.list or not arguments.release:
        _told(arguments, api.warm_list(arguments.release, settings=settings), "kept")
    else:
        with output.progress() as terminal:
            kept = api.warm(arguments.release, again=arguments.again, settings=settings, progress=terminal)
        _told(arguments, kept, "kept")


def _told(arguments: argparse.Namespace, states: list[Kept], what: str) -> None:
    output.result(states)
    if arguments.json:
        output.as_json({"warm": [_line(kept) for kept in states], "state": what})
    elif not states:
        output.line("There are no warm states. `vml warm RELEASE` makes one.")
    else:
        rows = [
            (
                kept.key,
                kept.state.release.label,
                f"{kept.state.shape.cpus} x {kept.state.shape.memory_mib} MiB",
                size(kept.size_bytes),
                _moment(kept.used),
                what if kept.state.jupyter else f"{what}, Jupyter starts later",
            )
            for kept in states
        ]
        output.table(("STATE", "RELEASE", "SHAPE", "DISK", "USED", ""), rows, "Warm states")


def _line(kept: Kept) -> dict[str, object]:
    return {
        "key": kept.key,
        "release": kept.state.release,
        "shape": kept.state.shape,
        "accelerator": kept.state.accelerator,
        "bytes": kept.size_bytes,
        "created": kept.state.created,
        "used": _moment(kept.used),
        "jupyter": kept.state.jupyter,
    }


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
