"""The verb diff: what changed between two entries, or since an entry."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import size
from vml_jupyter.errors import Usage
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.flows.diff import Diff, FileChange, NotebookChange

_SIGNS = {"added": "+", "removed": "-", "changed": "M"}


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    diff = verbs.add_parser("diff", parents=[common], help="tell what changed from one entry to another")
    diff.add_argument("entry", metavar="A", help="the earlier entry; alone, it is compared with its parent")
    diff.add_argument("other", metavar="B", nargs="?", default="", help="the later entry")
    diff.add_argument(
        "--area", type=Path, metavar="DIR", help="compare A with this working area as it is now"
    )
    diff.add_argument("--notebooks", action="store_true", help="show the notebooks that changed cell by cell")
    diff.set_defaults(run=_diff)


def _diff(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.diff import diff

    if arguments.other and arguments.area:
        raise Usage("an entry is compared with another one or with an area, not with both", "Leave one out.")
    with output.progress() as terminal:
        found = diff(
            settings,
            arguments.entry,
            arguments.other,
            area=arguments.area,
            with_notebooks=arguments.notebooks or arguments.json,
            progress=terminal,
        )
    output.result(found)
    if arguments.json:
        output.as_json(found)
        return
    _print_files(found)
    for notebook in found.notebooks:
        _print_notebook(notebook)
    _print_environment(found)


def _print_files(found: Diff) -> None:
    rows = [(_path(change), _SIGNS[change.kind], _detail(change)) for change in found.files]
    rows += [(name, "?", "cannot be read") for name in found.unreadable]
    if rows:
        output.table(("FILE", "", "WHAT"), rows, f"Files from {found.before} to {found.after}")
    counts = ", ".join(f"{count.files} {kind} ({size(count.bytes)})" for kind, count in found.counts.items())
    output.line(f"From {found.before} to {found.after}: {counts}")


def _path(change: FileChange) -> str:
    side = change.after or change.before
    return change.path + ("/" if side and side.type == "dir" else "")


def _detail(change: FileChange) -> str:
    before, after = change.before, change.after
    if before is None or after is None:
        side = after or before
        return size(side.size) if side and side.type == "file" else ""
    told = []
    for what in change.what:
        if what == "content":
            told.append(f"{size(before.size)} -> {size(after.size)}")
        elif what == "type":
            told.append(f"{before.type} -> {after.type}")
        elif what == "mode":
            told.append(f"mode {before.mode:04o} -> {after.mode:04o}")
        else:
            told.append(what)
    return ", ".join(told)


def _print_notebook(notebook: NotebookChange) -> None:
    output.line("")
    output.line(f"Notebook {notebook.path}:")
    if notebook.diff is None:
        output.line(f"  not compared cell by cell: {notebook.why_not}")
    else:
        output.paragraphs(notebook.diff.text or "  nothing that matters")


def _print_environment(found: Diff) -> None:
    environment = found.environment
    rows = [(name, before or "-", after or "-") for name, (before, after) in environment.fields.items()]
    rows += [(name, before or "-", after or "-") for name, (before, after) in environment.packages.items()]
    if rows:
        output.line("")
        output.table(("ENVIRONMENT", "BEFORE", "AFTER"), rows, "Environment")
