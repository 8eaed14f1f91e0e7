"""The verb show: one entry with its environment, and whether what it needs is still there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.cli import output
from vml_jupyter.cli.grammar import changing, content, release_name
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.flows.durability import Durability
    from vml_jupyter.flows.needs import Need


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    show = verbs.add_parser(
        "show", parents=[common], help="show one entry, and whether what it needs is there"
    )
    show.add_argument("entry", metavar="ENTRY")
    show.add_argument(
        "--check", action="store_true", help="ask the servers again, also what they answered within the hour"
    )
    show.set_defaults(run=_show)


def _show(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.durability import durability
    from vml_jupyter.flows.entries import find_entry
    from vml_jupyter.flows.trust import trusted

    entry = find_entry(settings, arguments.entry)
    known = durability(settings, entry, anew=arguments.check)
    output.result(entry)
    foreign = trusted(settings).is_foreign(entry.id)
    if arguments.json:
        told = {**msgspec.to_builtins(entry), "durability": known}
        output.as_json(told | ({"foreign": True} if foreign else {}))
        return
    _print_entry(entry)
    if foreign:
        output.line(f"It was imported and is not trusted; `vml trust {entry.id}` changes that.")
    _print_durability(entry, known)
    if entry.note:
        output.line("")
        output.paragraphs(entry.note)


def _print_entry(entry: Entry) -> None:
    environment = entry.environment
    rows = [
        ("title", entry.title),
        ("project", entry.project or "none"),
        ("tags", ", ".join(entry.tags) or "none"),
        ("time (UTC)", entry.time),
        ("edited (UTC)", entry.edited or "never"),
        ("notebook", entry.notebook or "none"),
        ("working area", entry.area),
        ("content", content(entry)),
        *_not_as_it_was(entry),
        ("release", release_name(entry) + (" (chosen)" if environment.release_chosen else "")),
        *_surroundings(entry),
        ("parent", entry.parent or "none"),
        ("restic snapshot", entry.snapshot),
    ]
    if entry.writer:
        rows.append(("written by", entry.writer))
    output.table((f"ENTRY {entry.id}", ""), rows, f"Entry {entry.id}")


def _not_as_it_was(entry: Entry) -> list[tuple[str, str]]:
    rows = []
    if entry.changing:
        rows.append(("never held still", f"{entry.changing}: {changing(entry)}"))
    if entry.unreadable:
        rows.append(("could not be read", f"{entry.unreadable}, whole or in part"))
    return rows


def _surroundings(entry: Entry) -> list[tuple[str, str]]:
    environment = entry.environment
    if entry.writer:
        return [("captured on", f"unknown: {entry.writer} does not record it")]
    packages = f"{len(environment.packages)} packages"
    return [
        ("captured on", f"{environment.os}, {environment.kernel}, {environment.architecture}"),
        ("Python", f"{environment.python}, {packages}, kernel {environment.kernelspec or '-'}"),
    ]


def _print_durability(entry: Entry, known: Durability) -> None:
    if known.needs:
        output.line("")
        output.table(
            ("NEEDS", "STATE", "WHAT IS KNOWN"), [_row(need) for need in known.needs], "What it needs"
        )
    if known.state == "unnamed":
        output.line("")
        output.line("It records no CernVM, so a restore must be told one: --release X.Y.Z.W")
    if known.choices:
        output.line("")
        output.line("Ways on:")
        for choice in known.choices:
            output.line(f"  vml restore {entry.id} --{choice['option']} {choice['value']}")


def _row(need: Need) -> tuple[str, str, str]:
    asked = f"asked {need.checked[:16].replace('T', ' ')}" if need.checked and not need.reason else ""
    return (need.label, need.state, need.reason or need.where or asked)
