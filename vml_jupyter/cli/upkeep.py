"""The verbs of upkeep: check, prune, unlock, key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.cli import output, passwords
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.repository import Affected, Finding

_FILES_SHOWN = 5
_MAX_UNUSED = 5.0


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    check = verbs.add_parser(
        "check", parents=[common], help="look for damage, and name the entries and files that need it"
    )
    check.add_argument("--read-data", action="store_true", help="read and compare all content, too")
    check.add_argument(
        "--repair-index", action="store_true", help="then make the index anew where it does not fit"
    )
    check.add_argument(
        "--repair-config", action="store_true", help="write a new config first where it is lost or damaged"
    )
    check.set_defaults(run=_check)

    prune = verbs.add_parser("prune", parents=[common], help="free the room of what no entry needs any more")
    prune.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    prune.add_argument(
        "--max-unused",
        type=_percent,
        default=_MAX_UNUSED,
        metavar="PERCENT",
        help="how much of what stays may be unused (default: %(default)g)",
    )
    prune.set_defaults(run=_prune)

    unlock = verbs.add_parser("unlock", parents=[common], help="remove locks that nobody stands behind")
    unlock.add_argument(
        "--all", action="store_true", help="every lock: only when nobody else works on the logbook"
    )
    unlock.set_defaults(run=_unlock)
    _add_key_verbs(verbs, common)


def _add_key_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    key = verbs.add_parser("key", help="the passwords that open the logbook")
    what = key.add_subparsers(dest="what", metavar="VERB", required=True)
    listing = what.add_parser("list", parents=[common], help="list the keys, one for each password")
    listing.set_defaults(run=_list_keys)
    add = what.add_parser("add", parents=[common], help="add a password; it is asked for on a terminal")
    add.add_argument(
        "--new-password-file",
        type=Path,
        metavar="FILE",
        help=f"file whose first line is the new password (or set {passwords.NEW})",
    )
    add.set_defaults(run=_add_key)
    remove = what.add_parser("remove", parents=[common], help="take a password away")
    remove.add_argument("key", metavar="KEY", help="the key's id, or the beginning of it")
    remove.set_defaults(run=_remove_key)


def _percent(text: str) -> float:
    value = float(text.removesuffix("%"))
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100")
    return value


def _check(settings: Settings, arguments: argparse.Namespace) -> int:
    from vml_jupyter.flows.upkeep import check

    with output.progress() as terminal:
        report = check(
            settings,
            read_data=arguments.read_data,
            repair_index=arguments.repair_index,
            repair_config=arguments.repair_config,
            progress=terminal,
        )
    read = f", {size(report.read_bytes)} read" if report.read_bytes else ""
    hurt = "The logbook is damaged; all that is not named above is whole."
    _tell(
        arguments,
        report,
        *(line for finding in report.findings for line in _lines_of(finding)),
        f"{report.snapshots} snapshots, {report.packs} packs, {report.blobs} blobs, {size(report.bytes)}{read}",
        "Nothing is damaged." if report.clean else hurt,
        told={"clean": report.clean, **msgspec.to_builtins(report)},
    )
    return int(not report.clean)


def _tell(arguments: argparse.Namespace, record: object, *lines: str, told: object = None) -> None:
    """Print what came of it: as JSON where that is wanted, else in words."""
    output.result(record)
    if arguments.json:
        output.as_json(record if told is None else told)
        return
    for line in lines:
        output.line(line)


def _lines_of(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity}: {finding.message}"
    for affected in finding.affected:
        yield f"  {_who(affected)}: {_files(affected)}"


def _who(affected: Affected) -> str:
    return f"entry {affected.entry}" if affected.entry else f"snapshot {affected.snapshot[:8]}"


def _files(affected: Affected) -> str:
    if not affected.files:
        return "its snapshot itself"
    shown = ", ".join(affected.files[:_FILES_SHOWN])
    more = affected.files_total - min(len(affected.files), _FILES_SHOWN)
    return f"{shown} and {more} more" if more > 0 else shown


def _prune(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.upkeep import prune

    with output.progress() as terminal:
        pruned = prune(
            settings,
            dry_run=arguments.dry_run,
            max_unused_percent=arguments.max_unused,
            progress=terminal,
        )
    verb = "Would free" if pruned.dry_run else "Freed"
    _tell(
        arguments,
        pruned,
        f"{verb} {size(pruned.freed_bytes)}: {pruned.packs_removed} packs removed, {pruned.packs_repacked} repacked",
        f"  {pruned.packs_kept} packs stay as they are, with {size(pruned.unused_bytes)} unused in them",
    )


def _unlock(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.upkeep import unlock

    removed = unlock(settings, remove_all=arguments.all)
    _tell(
        arguments,
        removed,
        f"Removed {removed} {'lock' if removed == 1 else 'locks'}.",
        told={"removed": removed},
    )


def _list_keys(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.upkeep import list_keys

    keys = list_keys(settings)
    output.result(keys)
    if arguments.json:
        output.as_json({"keys": keys})
        return
    rows = [
        (
            key.id[:8],
            "*" if key.current else "",
            key.user,
            key.host,
            key.damage or key.created[:19].replace("T", " "),
        )
        for key in keys
    ]
    output.table(("KEY", "", "USER", "HOST", "CREATED (UTC)"), rows, "Keys")


def _add_key(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.upkeep import add_key

    key = add_key(settings, passwords.new(arguments.new_password_file))
    _tell(arguments, key, f"Added key {key.id[:8]}. Its password opens the logbook as the others do.")


def _remove_key(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.upkeep import remove_key

    key = remove_key(settings, arguments.key)
    _tell(
        arguments,
        key,
        f"Removed key {key.id[:8]}. Its password does not open the logbook any more.",
        "  Who copied the key's file before can still read what lies in the logbook.",
    )
