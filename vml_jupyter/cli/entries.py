"""The verbs of the logbook's entries: list, edit, forget, unforget, bin."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.grammar import count, release_name
from vml_jupyter.cli.terminal import size
from vml_jupyter.errors import Usage
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Query

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.logbook import Listed


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    listing = verbs.add_parser("list", parents=[common], help="list or search the entries, newest first")
    listing.add_argument("--search", metavar="TEXT", default="", help="words that are in its texts")
    listing.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="a tag it has; may be repeated"
    )
    listing.add_argument("--project", metavar="NAME", default="", help="what it belongs to")
    listing.add_argument(
        "--notebook", metavar="REL", default="", help="its notebook, with or without folders"
    )
    listing.add_argument(
        "--release", metavar="X.Y", default="", help="its CernVM version, or how that begins"
    )
    listing.add_argument("--since", metavar="DATE", default="", help="the first day or minute (UTC)")
    listing.add_argument("--until", metavar="DATE", default="", help="the last day or minute (UTC)")
    listing.add_argument("-n", "--limit", type=count, metavar="N", default=0, help="only the newest N")
    listing.add_argument("--bin", action="store_true", help="what was forgotten, instead")
    listing.add_argument(
        "--all",
        action="store_true",
        help="also the snapshots that restic wrote, which are no entries of VML's",
    )
    listing.set_defaults(run=_list)

    edit = verbs.add_parser("edit", parents=[common], help="change an entry's title, note, tags or project")
    edit.add_argument("entry", metavar="ENTRY")
    edit.add_argument("-m", "--title", help="its title")
    note = edit.add_mutually_exclusive_group()
    note.add_argument("--note", help="its note, in Markdown")
    note.add_argument("--note-file", metavar="FILE", help="the file that holds its note; - is standard input")
    edit.add_argument(
        "--tag", action="append", default=[], metavar="+X", help="+X adds the tag X, -X removes it"
    )
    edit.add_argument("--project", metavar="NAME", help="what it belongs to")
    edit.set_defaults(run=_edit)

    forget = verbs.add_parser("forget", parents=[common], help="put entries into the bin")
    forget.add_argument("entry", metavar="ENTRY", nargs="+")
    forget.set_defaults(run=_forget)

    unforget = verbs.add_parser("unforget", parents=[common], help="take entries back out of the bin")
    unforget.add_argument("entry", metavar="ENTRY", nargs="+")
    unforget.set_defaults(run=_unforget)

    bins = verbs.add_parser("bin", parents=[common], help="list what was forgotten, or remove it for good")
    bins.add_argument("what", choices=("list", "empty"), nargs="?", default="list")
    bins.add_argument("entry", metavar="ENTRY", nargs="*", help="empty: only these")
    bins.add_argument("--older-than", type=count, metavar="DAYS", default=0, help="empty: only what is older")
    bins.set_defaults(run=_bin)


def _list(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.entries import listed

    query = Query(
        search=arguments.search,
        tags=tuple(arguments.tag),
        project=arguments.project,
        notebook=arguments.notebook,
        release=arguments.release,
        since=arguments.since,
        until=arguments.until,
        limit=arguments.limit,
        forgotten=arguments.bin,
        restic=arguments.all,
    )
    found = listed(settings, query)
    output.result(found.entries)
    if arguments.json:
        _print_json(found)
        return
    _warn(found)
    if found.rows:
        _print_table(found, forgotten=arguments.bin)
    elif query in (Query(), Query(restic=True)):
        output.line("The logbook has no entries yet. `vml snapshot AREA` writes the first one.")
    else:
        output.line("The bin is empty." if query == Query(forgotten=True) else "There is no such entry.")


def _print_json(found: Listed) -> None:
    told: dict[str, object] = {"entries": found.documents}
    if found.damaged:
        told["damaged"] = [{"message": error.message, "hint": error.hint} for error in found.damaged]
    output.as_json(told)


def _print_table(found: Listed, *, forgotten: bool) -> None:
    head = ("ENTRY", "FORGOTTEN (UTC)" if forgotten else "TIME (UTC)", "RELEASE", "SIZE", "PROJECT", "TITLE")
    rows = [
        (
            entry.id,
            (entry.forgotten or entry.time)[:16].replace("T", " "),
            entry.writer or release_name(entry),
            "" if entry.writer else size(entry.bytes),  # which only its trees would tell
            entry.project,
            " ".join([entry.title, *(f"#{tag}" for tag in entry.tags)]),
        )
        for entry in found.entries
    ]
    shown = [
        column for column in range(len(head)) if head[column] != "PROJECT" or any(row[column] for row in rows)
    ]
    caption = "Bin" if forgotten else "Logbook"
    output.table(
        [head[column] for column in shown], ([row[column] for column in shown] for row in rows), caption
    )


def _warn(found: Listed) -> None:
    for error in found.damaged:
        output.warn(str(error))


def _edit(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.entries import edit

    note = _read(arguments.note_file) if arguments.note_file else arguments.note
    if (arguments.title, note, arguments.project, arguments.tag) == (None, None, None, []):
        raise Usage("nothing to change was named", "Give --title, --note, --note-file, --tag or --project.")
    entry = edit(
        settings,
        arguments.entry,
        title=arguments.title,
        note=note,
        project=arguments.project,
        add_tags=[tag.removeprefix("+") for tag in arguments.tag if not tag.startswith("-")],
        remove_tags=[tag.removeprefix("-") for tag in arguments.tag if tag.startswith("-")],
    )
    output.result(entry)
    if arguments.json:
        output.as_json(entry)
        return
    output.line(f"Changed entry {entry.id}: {entry.title}")


def _read(name: str) -> str:
    try:
        return output.page().standard_input() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"the note in {name} cannot be read: {error}", "Name a text file in UTF-8.") from error


def _forget(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.bin import forget

    entries = forget(settings, arguments.entry)
    if _told(arguments, entries):
        return
    for entry in entries:
        output.line(f"Put entry {entry.id} into the bin: {entry.title}")
    output.line(f"`vml unforget {' '.join(entry.id for entry in entries)}` takes it back.")


def _unforget(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.bin import unforget

    entries = unforget(settings, arguments.entry)
    if _told(arguments, entries):
        return
    for entry in entries:
        output.line(f"Took entry {entry.id} back: {entry.title}")


def _bin(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.bin import empty_bin
    from vml_jupyter.flows.entries import listed

    if arguments.what == "empty":
        entries = empty_bin(settings, arguments.entry, arguments.older_than)
        if not _told(arguments, entries):
            output.line(f"Removed {len(entries)} entries for good. A prune frees their room.")
        return
    found = listed(settings, Query(forgotten=True))
    output.result(found.entries)
    if arguments.json:
        _print_json(found)
    elif found.rows:
        _print_table(found, forgotten=True)
    else:
        output.line("The bin is empty.")


def _told(arguments: argparse.Namespace, entries: list[Entry]) -> bool:
    """Print the ids as JSON if that is asked for; ``entry`` is the only one, where one was named."""
    output.result(entries)
    if arguments.json:
        ids = [entry.id for entry in entries]
        output.as_json({"entry": ids[0], "entries": ids} if len(ids) == 1 else {"entries": ids})
    return bool(arguments.json)
