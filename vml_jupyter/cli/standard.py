"""The verb standard: a machine's disk and memory of earlier moments, kept by the hypervisor."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import StandardSnapshot

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    standard = verbs.add_parser(
        "standard",
        help="standard snapshots of a machine: its disk and memory at one moment, kernels included",
    )
    kinds = standard.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, run, what in (
        ("take", _take, "take one of a running machine, which stands still for about a second"),
        ("list", _list, "list a machine's, as the tree that they grew in"),
        (
            "revert",
            _revert,
            "take a machine back to one; what it is now is lost, unless another one holds it",
        ),
        ("delete", _delete, "remove one; the machine and the ones that grew out of it stay"),
    ):
        verb = kinds.add_parser(name, parents=[common], help=what, description=what)
        verb.add_argument("machine", metavar="M", help="a machine's id, or the beginning of it")
        if name == "take":
            verb.add_argument(
                "name", metavar="NAME", nargs="?", default="", help="its name; the time by default"
            )
        elif name != "list":
            verb.add_argument("name", metavar="NAME")
        verb.set_defaults(run=run)


def _take(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.standard import take

    with output.progress() as terminal:
        taken = take(settings, arguments.machine, arguments.name, terminal)
    output.result(taken)
    if arguments.json:
        output.as_json({"snapshot": taken})
        return
    output.line(f"Standard snapshot {taken.name}.")


def _list(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.standard import listing

    found = listing(settings, arguments.machine)
    output.result(found)
    if arguments.json:
        output.as_json({"snapshots": found})
        return
    if not found:
        output.line("There are none. `vml standard take M NAME` takes one.")
        return
    rows = [
        (
            f"{'  ' * depth(one, found)}{one.name}",
            one.created,
            size(one.memory_bytes),
            "now" if one.current else "",
        )
        for one in found
    ]
    output.table(("SNAPSHOT", "TAKEN", "MEMORY", ""), rows, "Standard snapshots")


def _revert(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.standard import revert

    with output.progress() as terminal:
        machine = revert(settings, arguments.machine, arguments.name, terminal)
    output.result(machine)
    if arguments.json:
        output.as_json({"machine": machine.id, "state": machine.state, "url": machine.url})
        return
    output.link(machine.url, machine.id)


def _delete(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.standard import delete

    with output.progress() as terminal:
        delete(settings, arguments.machine, arguments.name, terminal)
    if arguments.json:
        output.as_json({"deleted": arguments.name})
        return
    output.line(f"Standard snapshot {arguments.name} is deleted.")


def depth(one: StandardSnapshot, found: list[StandardSnapshot]) -> int:
    """Return how many snapshots of the list a snapshot grew out of."""
    parents = {snapshot.name: snapshot.parent for snapshot in found}
    steps, name = 0, one.parent
    while name in parents and steps < len(found):
        steps, name = steps + 1, parents[name]
    return steps
