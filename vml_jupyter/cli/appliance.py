"""The verb appliance build: the VML VM as a disk image."""

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

_ABOUT = """\
Write the VML VM: a disk image with Debian, JupyterLab and this very VML in it, for users who install nothing of VML.
They run it with QEMU or libvirt (.qcow2), VirtualBox or VMware (.ova), point their browser at it, and start entries on
their own computer by launchers. It is made from Debian packages, takes minutes the first time, and needs no root."""


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verbs to the command line."""
    appliance = verbs.add_parser("appliance", help="make the VML VM: VML as a virtual machine to hand out")
    actions = appliance.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", parents=[common], description=_ABOUT, help="write its disk image")
    build.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        default=Path("vml-vm.qcow2"),
        help="FILE.qcow2 or FILE.ova (default: vml-vm.qcow2)",
    )
    build.add_argument("--ova", action="store_true", help="the same as -o vml-vm.ova")
    build.add_argument("--force", action="store_true", help="replace FILE if it is there")
    build.set_defaults(run=_build)


def _build(settings: Settings, arguments: argparse.Namespace) -> None:
    path: Path = arguments.output
    if arguments.ova and path.suffix == ".qcow2":
        path = path.with_suffix(".ova")
    with output.progress() as progress:
        built = api.appliance_build(path, overwrite=arguments.force, settings=settings, progress=progress)
    output.result(built)
    if arguments.json:
        output.as_json(built)
        return
    output.line(f"Wrote {built.path}, {size(built.bytes)}")
    output.line(f"  SHA-256 {built.sha256}, also in {built.path.name}.sha256")
