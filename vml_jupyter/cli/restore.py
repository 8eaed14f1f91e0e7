"""The verb restore: go back to an entry, in a machine or as files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.context import add_choices
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Shape

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    restore = verbs.add_parser(
        "restore", parents=[common], help="go back to an entry, in a machine or as files"
    )
    restore.add_argument("entry", metavar="ENTRY")
    restore.add_argument("--to", type=Path, metavar="DIR", help="only the files, into a new or empty folder")
    add_choices(restore)
    restore.add_argument("--memory", type=int, metavar="MIB", help="the machine's memory")
    restore.add_argument("--cpus", type=int, metavar="N", help="the machine's processors")
    restore.set_defaults(run=_restore)


def _restore(settings: Settings, arguments: argparse.Namespace) -> None:
    if arguments.to:
        _restore_files(settings, arguments)
    else:
        _restore_machine(settings, arguments)


def _restore_files(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.files import restore_files

    with output.progress() as terminal:
        laid = restore_files(settings, arguments.entry, arguments.to, terminal)
    output.result(laid)
    if arguments.json:
        output.as_json({"to": str(arguments.to.absolute()), "files": laid.files, "bytes": laid.bytes})
        return
    output.line(f"{laid.files} files, {size(laid.bytes)}, in {arguments.to}")


def _restore_machine(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.restore import restore

    shape = Shape(
        cpus=arguments.cpus or settings.shape.cpus,
        memory_mib=arguments.memory or settings.shape.memory_mib,
        scratch_gib=settings.shape.scratch_gib,
    )
    with output.progress() as terminal:
        restored = restore(
            settings,
            arguments.entry,
            release=arguments.release,
            without_pins=arguments.without_pin,
            shape=shape,
            progress=terminal,
        )
    if restored.recipe is not None:
        from vml_jupyter.flows import warm_maker

        warm_maker.begin(settings, restored.recipe)
    machine = restored.machine
    output.result(restored)
    if arguments.json:
        output.as_json(
            {
                "machine": machine.id,
                "url": restored.url,
                "release": machine.release,
                "accelerator": restored.accelerator,
                "warm": restored.warm,
                "seconds": restored.seconds,
                **({"differences": machine.differences} if machine.differences else {}),
            }
        )
        return
    warm = ", from its warm state" if restored.warm else ""
    output.line(f"Machine {machine.id}: {machine.label}, {restored.accelerator}{warm}")
    output.line(f"  {sum(restored.seconds.values()):.1f} s; the notebook is open:")
    output.link(restored.url, machine.id)
