"""The verb snapshot: capture a working area as a new entry, or tell what that would hold."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.grammar import changing, content, release_name
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.model import Entry


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    snapshot = verbs.add_parser("snapshot", parents=[common], help="capture a working area as a new entry")
    snapshot.add_argument(
        "area",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="AREA",
        help="the folder that the notebook works in (default: this folder)",
    )
    snapshot.add_argument("--notebook", metavar="REL", help="the notebook to reopen, relative to AREA")
    snapshot.add_argument("-m", "--message", "--title", dest="title", default="", help="the entry's title")
    snapshot.add_argument("--note", default="", help="a note in Markdown")
    snapshot.add_argument("--tag", action="append", default=[], metavar="TAG", help="may be repeated")
    snapshot.add_argument(
        "--project", metavar="NAME", help="what it belongs to (default: as the area's last entry)"
    )
    snapshot.add_argument(
        "--release", metavar="X.Y.Z.W", help="the CernVM to go back to, where none can be detected"
    )
    snapshot.add_argument(
        "--cross-mounts", action="store_true", help="also capture what is mounted below AREA"
    )
    snapshot.add_argument(
        "--dry-run", action="store_true", help="only tell what the entry would hold; nothing is written"
    )
    snapshot.set_defaults(run=_snapshot)


def _snapshot(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.capture import capture

    if arguments.dry_run:
        _preview(settings, arguments)
        return
    here, area = output.page(), arguments.area.expanduser().absolute()
    begun = time.monotonic()
    with output.progress() as terminal:
        entry = capture(
            settings,
            area,
            notebook=arguments.notebook or here.notebook(area),
            title=arguments.title,
            note=arguments.note,
            release=arguments.release,
            tags=arguments.tag,
            project=arguments.project,
            cross_mounts=arguments.cross_mounts,
            in_kernel=here.in_kernel and not arguments.notebook,
            progress=terminal,
        )
    written(arguments, entry, time.monotonic() - begun)


def written(arguments: argparse.Namespace, entry: Entry, took_s: float) -> None:
    """Tell of an entry that was written."""
    output.result(entry)
    seconds = round(took_s, 3)
    if arguments.json:
        output.as_json(
            {
                "entry": entry.id,
                "files": entry.files,
                "bytes": entry.bytes,
                "new_bytes": entry.new_bytes,
                "unreadable": entry.unreadable,
                "changing": entry.changing,
                "release": entry.environment.release,
                **({"parent": entry.parent, "machine": entry.machine} if entry.machine else {}),
                "seconds": seconds,
            }
        )
        return
    output.line(f"Entry {entry.id}: {entry.title}")
    output.line(f"  {content(entry)}, in {release_name(entry)}; {seconds} s")
    if entry.unreadable:
        output.line(f"  {entry.unreadable} could not be read, whole or in part, see above")
    if entry.changing:
        output.line(f"  {entry.changing} never held still and are as they were read last: {changing(entry)}")


def _preview(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.preview import preview

    with output.progress() as terminal:
        seen = preview(settings, arguments.area, terminal, cross_mounts=arguments.cross_mounts)
    output.result(seen)
    if arguments.json:
        output.as_json(seen)
        return
    output.line(f"{seen.files} files, {size(seen.bytes)}; {size(seen.new_bytes)} would be new in the logbook")
    if seen.largest:
        output.table(
            ("SIZE", "FILE"), [(size(file.bytes), file.path) for file in seen.largest], "The largest"
        )
    if seen.ignored:
        rows = [(str(rule.count), rule.pattern, rule.file or "always") for rule in seen.ignored]
        output.table(("FILES AND FOLDERS", "PATTERN", "FROM"), rows, "Left out")
    for note in seen.notes:
        output.line(f"note: {note}")
    for name in seen.unreadable:
        output.line(f"cannot be read: {name}")
