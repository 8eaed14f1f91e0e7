"""The verbs of releases: releases, fetch."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import Terminal
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    listing = verbs.add_parser(
        "releases", parents=[common], help="list the CernVM releases here and downloadable"
    )
    listing.set_defaults(run=_releases)

    fetch = verbs.add_parser("fetch", parents=[common], help="download a release and verify it")
    fetch.add_argument("release", metavar="X.Y.Z.W")
    fetch.set_defaults(run=_fetch)


def _releases(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.releases import list_releases

    with closing(Terminal()) as terminal:
        known = list_releases(settings, terminal)
    if arguments.json:
        output.as_json({"releases": known})
        return
    rows = [
        (
            each.release.system,
            each.release.bootloader,
            each.release.flavour,
            each.state,
            each.path or each.url,
        )
        for each in known
    ]
    output.table(("SYSTEM", "BOOTLOADER", "FLAVOUR", "STATE", "WHERE"), rows)


def _fetch(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.releases import named_release, provide

    with closing(Terminal()) as terminal:
        path = provide(settings, named_release(settings, arguments.release), terminal)
    if arguments.json:
        output.as_json({"path": str(path)})
        return
    print(path)
