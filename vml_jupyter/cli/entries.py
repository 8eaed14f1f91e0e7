"""The verbs of entries: snapshot, list, show, forget, check, restore."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import Terminal, size
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Shape

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    snapshot = verbs.add_parser("snapshot", parents=[common], help="capture a working area as a new entry")
    snapshot.add_argument("area", type=Path, metavar="AREA", help="the folder that the notebook works in")
    snapshot.add_argument("--notebook", metavar="REL", help="the notebook to reopen, relative to AREA")
    snapshot.add_argument("-m", "--message", "--title", dest="title", default="", help="the entry's title")
    snapshot.add_argument("--note", default="", help="a note in Markdown")
    snapshot.add_argument(
        "--release", metavar="X.Y.Z.W", help="the CernVM to go back to, where none can be detected"
    )
    snapshot.add_argument(
        "--cross-mounts", action="store_true", help="also capture what is mounted below AREA"
    )
    snapshot.set_defaults(run=_snapshot)

    listing = verbs.add_parser("list", parents=[common], help="list the entries, newest first")
    listing.set_defaults(run=_list)

    show = verbs.add_parser("show", parents=[common], help="show one entry with its environment")
    show.add_argument("entry", metavar="ENTRY")
    show.set_defaults(run=_show)

    forget = verbs.add_parser("forget", parents=[common], help="take an entry out of the logbook")
    forget.add_argument("entry", metavar="ENTRY")
    forget.set_defaults(run=_forget)

    restore = verbs.add_parser(
        "restore", parents=[common], help="go back to an entry, in a machine or as files"
    )
    restore.add_argument("entry", metavar="ENTRY")
    restore.add_argument("--to", type=Path, metavar="DIR", help="only the files, into a new or empty folder")
    restore.add_argument("--release", metavar="X.Y.Z.W", help="another CernVM than the recorded one")
    restore.add_argument("--memory", type=int, metavar="MIB", help="the machine's memory")
    restore.add_argument("--cpus", type=int, metavar="N", help="the machine's processors")
    restore.set_defaults(run=_restore)


def _snapshot(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.capture import capture

    begun = time.monotonic()
    with closing(Terminal()) as terminal:
        entry = capture(
            settings,
            arguments.area,
            notebook=arguments.notebook,
            title=arguments.title,
            note=arguments.note,
            release=arguments.release,
            cross_mounts=arguments.cross_mounts,
            progress=terminal,
        )
    seconds = round(time.monotonic() - begun, 3)
    if arguments.json:
        output.as_json(
            {
                "entry": entry.id,
                "files": entry.files,
                "bytes": entry.bytes,
                "new_bytes": entry.new_bytes,
                "unreadable": entry.unreadable,
                "release": entry.environment.release,
                "seconds": seconds,
            }
        )
        return
    print(f"Entry {entry.id}: {entry.title}")
    print(
        f"  {entry.files} files, {size(entry.bytes)}, {size(entry.new_bytes)} new, in {_release(entry)}; {seconds} s"
    )
    if entry.unreadable:
        print(f"  {entry.unreadable} could not be read and are not in it, see above")


def _list(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.entries import list_entries

    entries = list_entries(settings)
    if arguments.json:
        output.as_json({"entries": entries})
        return
    if not entries:
        print("The logbook has no entries yet. `vml snapshot AREA` writes the first one.")
        return
    rows = [(e.id, e.time[:16].replace("T", " "), _release(e), size(e.bytes), e.title) for e in entries]
    output.table(("ENTRY", "TIME (UTC)", "RELEASE", "SIZE", "TITLE"), rows)


def _show(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.entries import find_entry

    entry = find_entry(settings, arguments.entry)
    if arguments.json:
        output.as_json(entry)
        return
    environment = entry.environment
    rows = [
        ("title", entry.title),
        ("time (UTC)", entry.time),
        ("notebook", entry.notebook or "none"),
        ("working area", entry.area),
        ("content", f"{entry.files} files, {size(entry.bytes)}, {size(entry.new_bytes)} new"),
        ("release", _release(entry) + (" (chosen)" if environment.release_chosen else "")),
        ("captured on", f"{environment.os}, {environment.kernel}, {environment.architecture}"),
        (
            "Python",
            f"{environment.python}, {len(environment.packages)} packages, kernel {environment.kernelspec or '-'}",
        ),
        ("parent", entry.parent or "none"),
        ("restic snapshot", entry.snapshot),
    ]
    output.table((f"ENTRY {entry.id}", ""), rows)
    if entry.note:
        print(f"\n{entry.note}")


def _forget(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.entries import forget

    entry = forget(settings, arguments.entry)
    if arguments.json:
        output.as_json({"entry": entry.id})
        return
    print(f"Forgot entry {entry.id}: {entry.title}")


def _restore(settings: Settings, arguments: argparse.Namespace) -> None:
    if arguments.to:
        _restore_files(settings, arguments)
    else:
        _restore_machine(settings, arguments)


def _restore_files(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.files import restore_files

    with closing(Terminal()) as terminal:
        laid = restore_files(settings, arguments.entry, arguments.to, terminal)
    if arguments.json:
        output.as_json({"to": str(arguments.to.absolute()), "files": laid.files, "bytes": laid.bytes})
        return
    print(f"{laid.files} files, {size(laid.bytes)}, in {arguments.to}")


def _restore_machine(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.restore import restore

    shape = Shape(
        cpus=arguments.cpus or settings.shape.cpus,
        memory_mib=arguments.memory or settings.shape.memory_mib,
        scratch_gib=settings.shape.scratch_gib,
    )
    with closing(Terminal()) as terminal:
        restored = restore(
            settings, arguments.entry, release=arguments.release, shape=shape, progress=terminal
        )
    if arguments.json:
        output.as_json(
            {
                "machine": restored.machine.id,
                "url": restored.url,
                "release": restored.machine.release,
                "accelerator": restored.accelerator,
                "warm": restored.warm,
                "seconds": restored.seconds,
            }
        )
        return
    print(f"Machine {restored.machine.id}: {restored.machine.release.label}, {restored.accelerator}")
    print(f"  {sum(restored.seconds.values()):.1f} s; the notebook is open at")
    print(f"  {restored.url}")


def _release(entry: Entry) -> str:
    release = entry.environment.release
    return release.label if release else "no CernVM"
