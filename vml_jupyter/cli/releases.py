"""The verbs of releases: releases, fetch."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter import api
from vml_jupyter.cli import output
from vml_jupyter.cli.terminal import size
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs
    from vml_jupyter.flows.releases import KnownImage


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    listing = verbs.add_parser(
        "releases", parents=[common], help="list the releases here, downloadable and gone; add or remove one"
    )
    listing.set_defaults(run=_releases)
    more = listing.add_subparsers(dest="action", metavar="ACTION")
    add = more.add_parser("add", parents=[common], help="add an ordinary cloud image with its checksum")
    add.add_argument("name", metavar="NAME", help="what to call it, e.g. almalinux-9.4")
    add.add_argument("url", metavar="URL", help="where it is: a web address or a file")
    add.add_argument("--sha256", required=True, metavar="HEX", help="its published SHA-256")
    add.add_argument("--what", default="", metavar="TEXT", help="what it is, in words")
    lacking = add.add_mutually_exclusive_group()
    lacking.add_argument(
        "--with-jupyter",
        action="store_true",
        help="the image has no Jupyter: each machine installs JupyterLab, numpy and matplotlib at its first"
        " boot, from the network",
    )
    lacking.add_argument(
        "--setup",
        type=Path,
        metavar="FILE",
        help="a script of your own that each machine runs as root at its first boot, for what the image lacks",
    )
    add.set_defaults(run=_add)
    remove = more.add_parser("remove", parents=[common], help="remove an image that VML keeps")
    remove.add_argument("name", metavar="NAME", help="a bootloader (2021.05-1), a file, or an added image")
    remove.add_argument("--force", action="store_true", help="even if an entry or a machine needs it")
    remove.set_defaults(run=_remove)

    fetch = verbs.add_parser("fetch", parents=[common], help="download a release and verify it")
    fetch.add_argument("release", metavar="RELEASE", help="X.Y.Z.W, X.Y.Z.W@BOOTLOADER, or an added image")
    fetch.set_defaults(run=_fetch)


def _releases(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.releases import list_images, list_releases

    with output.progress() as terminal:
        known = list_releases(settings, terminal)
        images = list_images(settings)
    output.result(known)
    if arguments.json:
        output.as_json({"releases": known, "images": images})
        return
    rows = [
        (
            each.name or each.release.system,
            each.state,
            each.published or "-",
            size(each.size_bytes) if each.size_bytes else "-",
            each.what or each.release.bootloader or "-",
            each.path or each.url or each.reason,
        )
        for each in known
    ]
    if rows:
        output.table(("RELEASE", "STATE", "PUBLISHED", "SIZE", "WHAT", "WHERE"), rows, "Releases")
    else:
        output.line(
            "No release is known here. `vml fetch X.Y.Z.W` downloads one once a release repository answers;"
        )
        output.line(
            "an image in ~/Downloads is found there, and `vml releases add` takes an ordinary cloud image."
        )
    if images:
        output.line("")
        output.table(
            ("IMAGE HERE", "KIND", "SIZE", "SIGNATURE", "FILE"), map(_image_row, images), "Images here"
        )


def _image_row(known: KnownImage) -> tuple[str, ...]:
    image = known.image
    state = "damaged" if image.damage else known.signature or "not looked at yet"
    return (
        f"{image.bootloader}/{image.flavour or '?'}",
        image.kind,
        size(image.size_bytes),
        f"{state}: {known.reason}" if known.reason else state,
        f"{image.path} ({image.place})" if image.place else str(image.path),
    )


def _add(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.added import add, read_setup
    from vml_jupyter.guest import jupyter_setup

    setup = jupyter_setup() if arguments.with_jupyter else ""
    if arguments.setup:
        setup = read_setup(arguments.setup)
    with output.progress() as terminal:
        image = add(
            settings,
            arguments.name,
            arguments.url,
            arguments.sha256,
            arguments.what,
            terminal,
            setup=setup,
        )
    output.result(image)
    if arguments.json:
        output.as_json(image)
        return
    output.line(f"Added {image.name}; `vml fetch {image.name}` downloads and verifies it.")


def _remove(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.keeping import remove

    with output.progress() as terminal:
        removed = remove(settings, arguments.name, force=arguments.force, progress=terminal)
    output.result(removed)
    if arguments.json:
        output.as_json({"removed": [str(path) for path in removed]})
        return
    output.paragraphs(
        "\n".join(f"Removed {path}" for path in removed) or f"{arguments.name} is no longer listed"
    )


def _fetch(settings: Settings, arguments: argparse.Namespace) -> None:
    with output.progress() as terminal:
        path = api.fetch(arguments.release, settings=settings, progress=terminal)
    output.result(path)
    if arguments.json:
        output.as_json({"path": str(path)})
        return
    output.line(str(path))
