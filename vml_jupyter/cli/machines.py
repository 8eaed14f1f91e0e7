"""The verbs of machines: machines, open, capture, suspend, resume, stop, start, delete."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from vml_jupyter import api
from vml_jupyter.cli import output
from vml_jupyter.cli.snapshot import written
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.model import Arrival, Machine


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    listing = verbs.add_parser("machines", parents=[common], help="list the machines that VML made")
    listing.set_defaults(run=_machines)
    for name, run, what in (
        ("open", _open, "print the notebook's address in a machine and open it in the browser"),
        ("suspend", _suspend, "write a machine's memory to disk and end it; resume goes on where it was"),
        ("resume", _resume, "go on with a suspended machine, or mend one that is broken though it runs"),
        ("start", _start, "start a machine that was stopped"),
        ("stop", _stop, "shut a machine down; it can be started again"),
        ("delete", _delete, "remove a machine and all that belongs to it, its standard snapshots too"),
    ):
        verb = verbs.add_parser(name, parents=[common], help=what)
        verb.add_argument("machine", metavar="M", help="a machine's id, or the beginning of it")
        verb.set_defaults(run=run)
    capture = verbs.add_parser(
        "capture", parents=[common], help="write what changed in a machine as a new entry"
    )
    capture.add_argument("machine", metavar="M", help="a machine's id, or the beginning of it")
    capture.add_argument("--notebook", metavar="REL", help="the notebook to reopen (default: as restored)")
    capture.add_argument("-m", "--message", "--title", dest="title", default="", help="the entry's title")
    capture.add_argument("--note", default="", help="a note in Markdown")
    capture.add_argument("--tag", action="append", default=[], metavar="TAG", help="may be repeated")
    capture.add_argument("--project", metavar="NAME", help="what it belongs to (default: as restored)")
    capture.add_argument(
        "--at-most", type=int, metavar="GIB", help="how much may have changed (default: what its disk holds)"
    )
    capture.set_defaults(run=_capture)


def _machines(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import list_machines

    machines = list_machines(settings)
    output.result(machines)
    if arguments.json:
        output.as_json({"machines": machines})
        return
    if not machines:
        output.line("There are no machines. `vml restore ENTRY` makes one.")
        return
    rows = [(m.id, m.state, m.label, m.entry, m.accelerator, _arrived(m.arrival), m.title) for m in machines]
    output.table(
        ("MACHINE", "STATE", "RELEASE", "ENTRY", "ACCELERATOR", "COME OVER", "TITLE"), rows, "Machines"
    )
    for machine in machines:
        if machine.detail:
            output.line(f"{machine.id} is {machine.state}: {machine.detail}.")


def _arrived(arrival: Arrival | None) -> str:
    """Return how much of a working area has come over, as ``12.3 of 1064.0 MB``; a dash where none comes lazily."""
    return f"{arrival.bytes / 1e6:.1f} of {arrival.size / 1e6:.1f} MB" if arrival else "-"


def _open(settings: Settings, arguments: argparse.Namespace) -> None:
    machine = api.open(arguments.machine, settings=settings)
    output.result(machine)
    if arguments.json:
        output.as_json({"machine": machine.id, "url": machine.url})
        return
    output.link(machine.url, machine.id, browse=True)


def _capture(settings: Settings, arguments: argparse.Namespace) -> None:
    begun = time.monotonic()
    with output.progress() as terminal:
        entry = api.capture(
            arguments.machine,
            settings=settings,
            notebook=arguments.notebook,
            title=arguments.title,
            note=arguments.note,
            tags=arguments.tag,
            project=arguments.project,
            at_most_gib=arguments.at_most,
            progress=terminal,
        )
    written(arguments, entry, time.monotonic() - begun)


def _start(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import start

    with output.progress() as terminal:
        machine = start(settings, arguments.machine, terminal)
    output.result(machine)
    if arguments.json:
        output.as_json({"machine": machine.id, "url": machine.url})
        return
    output.link(machine.url, machine.id)


def _suspend(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.life import suspend

    with output.progress() as terminal:
        machine = suspend(settings, arguments.machine, terminal)
    _done(arguments, machine, "suspended")


def _resume(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.life import resume

    with output.progress() as terminal:
        machine = resume(settings, arguments.machine, terminal)
    output.result(machine)
    if arguments.json:
        output.as_json({"machine": machine.id, "state": machine.state, "url": machine.url})
        return
    output.link(machine.url, machine.id)


def _stop(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import stop

    with output.progress() as terminal:
        machine = stop(settings, arguments.machine, terminal)
    _done(arguments, machine, "stopped")


def _delete(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import delete

    with output.progress() as terminal:
        machine = delete(settings, arguments.machine, terminal)
    _done(arguments, machine, "deleted")


def _done(arguments: argparse.Namespace, machine: Machine, state: str) -> None:
    output.result(machine)
    if arguments.json:
        output.as_json({"machine": machine.id, "state": state})
        return
    output.line(f"Machine {machine.id} is {state}.")
