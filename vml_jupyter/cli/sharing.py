"""The verbs that share entries between people: export, import, trust."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.flows.export import Exported
    from vml_jupyter.flows.importing import ImportedEntry

_ABOUT_EXPORT = """\
Write entries into one file for somebody else: `vml import` takes it in, and restic alone reads it (README.txt in it
says how; it is a plain tar). It is first looked through for passwords, keys and tokens; where there are any, they are
named and nothing is written, unless you say --leave-out or --allow-secrets."""

_ABOUT_IMPORT = """\
Take the entries of an export into the logbook. What is here already is not stored twice. The entries are foreign until
you say `vml trust ENTRY`: they can be looked at and restored in a machine, but the machine's pages are kept away from
your Jupyter server."""


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    export = verbs.add_parser(
        "export", parents=[common], description=_ABOUT_EXPORT, help="write entries into one file, to share it"
    )
    export.add_argument("entry", metavar="ENTRY", nargs="+")
    export.add_argument("-o", "--output", type=Path, metavar="FILE.vml", required=True, help="the file")
    export.add_argument(
        "--with-release", action="store_true", help="put the CernVM images that they need into it"
    )
    export.add_argument("--overwrite", action="store_true", help="replace FILE.vml if it is there")
    what = export.add_mutually_exclusive_group()
    what.add_argument("--leave-out", action="store_true", help="leave out files that seem to hold secrets")
    what.add_argument(
        "--allow-secrets", "--yes", action="store_true", help="share what seems to be a secret all the same"
    )
    export.set_defaults(run=_export)

    taking = verbs.add_parser(
        "import", parents=[common], description=_ABOUT_IMPORT, help="take the entries of an export in"
    )
    taking.add_argument("file", metavar="FILE.vml", type=Path)
    taking.add_argument("--with-release", action="store_true", help="take the CernVM images in it too")
    taking.set_defaults(run=_import)

    trust = verbs.add_parser("trust", parents=[common], help="trust an imported entry as your own")
    trust.add_argument("entry", metavar="ENTRY")
    trust.set_defaults(run=_trust)


def _export(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.export import export

    with output.progress() as terminal:
        done = export(
            settings,
            arguments.entry,
            arguments.output,
            with_release=arguments.with_release,
            leave_out=arguments.leave_out,
            allow_secrets=arguments.allow_secrets,
            overwrite=arguments.overwrite,
            progress=terminal,
        )
    output.result(done)
    if arguments.json:
        output.as_json(done)
        return
    count = "1 entry" if len(done.entries) == 1 else f"{len(done.entries)} entries"
    output.line(f"Wrote {done.path}: {count}, {size(done.size_bytes)}")
    _print_found(done)


def _print_found(done: Exported) -> None:
    verb = "Left out" if done.left_out else "Shared although it looks like a secret"
    for finding in done.findings:
        output.line(f"  {verb}: {finding.path} {finding.where}: {finding.kind}")
    if done.unseen:
        told = ", ".join(f"{count} {_UNSEEN[why]}" for why, count in done.unseen.items())
        output.line(f"  Not looked through for secrets: {told}")


_UNSEEN = {
    "binary": "binary files",
    "large": "large files, but for their beginning",
    "limit": "files, as there were too many",
    "time": "files, as it took too long",
}


def _import(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.importing import import_file

    with output.progress() as terminal:
        done = import_file(settings, arguments.file, with_release=arguments.with_release, progress=terminal)
    output.result(done)
    if arguments.json:
        output.as_json(done)
        return
    for entry in done.entries:
        output.line(_outcome(entry))
    if any(entry.outcome != "here" for entry in done.entries):
        output.line("They are foreign until you say `vml trust ENTRY`.")
    for image in done.images:
        output.line(f"Took the image {image}")
    for label in done.offered:
        output.line(f"The file holds {label} too; --with-release takes it.")


def _outcome(entry: ImportedEntry) -> str:
    note = f" ({entry.note})" if entry.note else ""
    if entry.outcome == "here":
        return f"Entry {entry.entry} is here already: {entry.title}{note}"
    return f"Entry {entry.entry}: {entry.title}; {entry.files} files, {size(entry.new_bytes)} new{note}"


def _trust(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.trust import trust

    entry = trust(settings, arguments.entry)
    output.result(entry)
    if arguments.json:
        output.as_json({"entry": entry.id, "trusted": True})
        return
    output.line(f"Trusted {entry.id}: {entry.title}")
