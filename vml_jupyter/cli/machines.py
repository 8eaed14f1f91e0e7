"""The verbs of machines: machines, open, suspend, resume, stop, start, delete."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import Terminal
from vml_jupyter.errors import MachineGone
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.model import Arrival


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


def _machines(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import list_machines

    machines = list_machines(settings)
    if arguments.json:
        output.as_json({"machines": machines})
        return
    if not machines:
        print("There are no machines. `vml restore ENTRY` makes one.")
        return
    rows = [(m.id, m.state, m.label, m.entry, m.accelerator, _arrived(m.arrival), m.title) for m in machines]
    output.table(("MACHINE", "STATE", "RELEASE", "ENTRY", "ACCELERATOR", "COME OVER", "TITLE"), rows)
    for machine in machines:
        if machine.detail:
            output.line(f"{machine.id} is {machine.state}: {machine.detail}.")


def _arrived(arrival: Arrival | None) -> str:
    """Return how much of a working area has come over, as ``12.3 of 1064.0 MB``; a dash where none comes lazily."""
    return f"{arrival.bytes / 1e6:.1f} of {arrival.size / 1e6:.1f} MB" if arrival else "-"


def _open(settings: Settings, arguments: argparse.Namespace) -> None:
    import webbrowser

    from vml_jupyter.flows.machines import find_machine

    machine = find_machine(settings, arguments.machine)
    if not machine.url:
        message = f"the machine {machine.id} is {machine.state}"
        raise MachineGone(
            message, machine.detail or _BACK.get(machine.state, "Try again in a moment.").format(machine.id)
        )
    if arguments.json:
        output.as_json({"machine": machine.id, "url": machine.url})
        return
    print(machine.url)

    webbrowser.open(machine.url)


_BACK = {"suspended": "vml resume {} goes on with it.", "stopped": "vml start {} starts it."}


def _start(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import start

    with closing(Terminal()) as terminal:
        machine = start(settings, arguments.machine, terminal)
    if arguments.json:
        output.as_json({"machine": machine.id, "url": machine.url})
        return
    print(machine.url)


def _suspend(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.life import suspend

    with closing(Terminal()) as terminal:
        machine = suspend(settings, arguments.machine, terminal)
    _done(arguments, machine.id, "suspended")


def _resume(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.life import resume

    with closing(Terminal()) as terminal:
        machine = resume(settings, arguments.machine, terminal)
    if arguments.json:
        output.as_json({"machine": machine.id, "state": machine.state, "url": machine.url})
        return
    print(machine.url)


def _stop(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import stop

    with closing(Terminal()) as terminal:
        machine = stop(settings, arguments.machine, terminal)
    _done(arguments, machine.id, "stopped")


def _delete(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machines import delete

    with closing(Terminal()) as terminal:
        machine = delete(settings, arguments.machine, terminal)
    _done(arguments, machine.id, "deleted")


def _done(arguments: argparse.Namespace, machine: str, state: str) -> None:
    if arguments.json:
        output.as_json({"machine": machine, "state": state})
        return
    print(f"Machine {machine} is {state}.")
