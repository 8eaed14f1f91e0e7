"""The verbs launcher and launches: the script for a computer without VML, and the machines that came of such."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter import api
from vml_jupyter.cli import output
from vml_jupyter.cli.context import add_choices
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs

_ABOUT = """\
Write the launcher of an entry: one readable Python file that starts the entry's CernVM, with the working area in it, on
a computer that has Python and QEMU and nothing of VML. It gets what it needs from the Jupyter server of this user
(--server), works once, and for an hour; `vml launches` then shows its machine."""


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    launcher = verbs.add_parser(
        "launcher", parents=[common], description=_ABOUT, help="write a script that starts an entry elsewhere"
    )
    launcher.add_argument("entry", metavar="ENTRY")
    launcher.add_argument("-o", "--output", type=Path, metavar="FILE.py", required=True)
    launcher.add_argument(
        "--server",
        metavar="URL",
        action="append",
        default=[],
        help="the Jupyter server, as that computer reaches it (default: http://127.0.0.1:8888/); may be repeated",
    )
    launcher.add_argument(
        "--certificate",
        metavar="SHA256",
        default="",
        help="the digest of its certificate, if only that will do",
    )
    add_choices(launcher)
    launcher.set_defaults(run=_launcher)

    launches = verbs.add_parser(
        "launches", parents=[common], help="list the machines that launchers started elsewhere"
    )
    launches.add_argument("--ended", action="store_true", help="also those that were removed there lately")
    launches.set_defaults(run=_launches)


def _launcher(settings: Settings, arguments: argparse.Namespace) -> None:
    with output.progress() as progress:
        done = api.launcher(
            arguments.entry,
            to=arguments.output,
            servers=arguments.server or (),
            certificate=arguments.certificate,
            release=arguments.release,
            without_pins=arguments.without_pin,
            settings=settings,
            progress=progress,
        )
    output.result(done)
    if arguments.json:
        output.as_json(done)
        return
    output.line(f"Wrote {done.path}; it works once, within an hour: python3 {done.path}")
    output.line(f"  SHA-256 {done.sha256}")


def _launches(settings: Settings, arguments: argparse.Namespace) -> None:
    found = api.launches(ended=arguments.ended, settings=settings)
    output.result(found)
    if arguments.json:
        told = [
            {
                "machine": each.machine,
                "entry": each.entry,
                "state": each.stage,
                "seen": each.seen,
                "stages": [name for name, _ in each.stages],
                **({"differences": each.differences} if each.differences else {}),
            }
            for each in found
        ]
        output.as_json({"launches": told})
    elif found:
        rows = [
            (
                each.machine,
                each.entry,
                each.stage,
                time.strftime("%Y-%m-%d %H:%M", time.gmtime(each.seen)),
                each.title,
            )
            for each in found
        ]
        output.table(("MACHINE", "ENTRY", "STATE", "SEEN (UTC)", "TITLE"), rows, "Launched elsewhere")
    else:
        output.line("No launcher has started a machine.")
