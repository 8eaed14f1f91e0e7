"""The verb image: the disk of an entry's working area as a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.flows.settings import Settings

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs

_ABOUT = """\
Write the working area of an entry as an ISO 9660 image with Rock Ridge names, label VML_AREA: the same bytes that a
machine is served. Everything in it belongs to the first ordinary account (uid 1000)."""


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    image = verbs.add_parser(
        "image",
        parents=[common],
        description=_ABOUT,
        help="write the working area of an entry as a disk image",
    )
    image.add_argument("entry", metavar="ENTRY")
    image.add_argument("-o", "--output", type=Path, metavar="FILE.iso", required=True)
    image.add_argument("--force", action="store_true", help="replace FILE.iso if it is there")
    image.set_defaults(run=_image)


def _image(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.image import write

    with output.progress() as progress:
        written = write(
            settings, arguments.entry, arguments.output, overwrite=arguments.force, progress=progress
        )
    output.result(written)
    if arguments.json:
        output.as_json(written)
        return
    output.line(f"{written.path}: {written.files} files of entry {written.entry}, {written.bytes} bytes")
    if written.clipped:
        output.line(f"  Linux shows the first 253 bytes of {written.clipped} names that are longer")
