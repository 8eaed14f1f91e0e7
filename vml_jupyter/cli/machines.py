"""The verbs of machines: machines, open, capture, suspend, resume, stop, start, delete."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.snapshot import written
from vml_jupyter.cli.terminal import Terminal
from vml_jupyter.errors import MachineGone
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs


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
    if arguments.json:
        output.as_json({"machines": machines})
        return
    if not machines:
        print("There are no machines. `vml restore ENTRY` makes one.")
        return
    rows = [(m.id, m.state, m.label, m.entry, m.accelerator, m.title) for m in machines]
    output.table(("MACHINE", "STATE", "RELEASE", "ENTRY", "ACCELERATOR", "TITLE"), rows)
    for machine in machines:
        if machine.detail:
            output.line(f"{machine.id} is {machine.state}: {machine.detail}.")


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


def _capture(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.machine_capture import capture_machine

    begun = time.monotonic()
    with closing(Terminal()) as terminal:
        entry = capture_machine(
            settings,
            arguments.machine,
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
