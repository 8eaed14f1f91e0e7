"""The verb environment: show what an entry taken here would record of its surroundings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.cli import output
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Checkout, Environment, Mount, Software

if TYPE_CHECKING:
    from vml_jupyter.cli.grammar import Verbs


def add_verbs(verbs: Verbs, common: argparse.ArgumentParser) -> None:
    """Add this module's verb to the command line."""
    environment = verbs.add_parser(
        "environment", parents=[common], help="show the CernVM, software and packages of this computer"
    )
    environment.add_argument(
        "area", type=Path, nargs="?", metavar="AREA", help="the working area (default: this folder)"
    )
    environment.add_argument(
        "--notebook", metavar="REL", help="describe the kernel of this notebook, relative to AREA"
    )
    environment.set_defaults(run=_environment)


def _environment(settings: Settings, arguments: argparse.Namespace) -> None:
    from vml_jupyter.flows.surroundings import surroundings

    described = surroundings(settings, arguments.area or Path.cwd(), notebook=arguments.notebook)
    output.result(described)
    if arguments.json:
        output.as_json(described)
        return
    output.table(("ENVIRONMENT", ""), list(rows(described, settings.default_release)), "This environment")


def rows(described: Environment, chosen: str = "") -> Iterator[tuple[str, str]]:
    """Yield a name and a line for all that is known of an environment.

    Args:
        described: The environment.
        chosen: What the user set as the release of entries from a computer that is no CernVM.
    """
    yield from _release(described, chosen)
    yield "OS", described.os
    yield "kernel", f"{described.kernel} {described.architecture}"
    if described.container or described.container_image:
        yield "container", f"{described.container} {described.container_image}".strip()
    yield "CPU", f"{described.cpu}, {len(described.cpu_flags.split())} flags"
    yield from (("software", _software(each)) for each in described.software)
    yield from (("CernVM-FS", _mount(each)) for each in described.cvmfs)
    if described.kernelspec:
        yield "Jupyter kernel", f"{described.kernelspec} {described.language}".strip()
    if described.python:
        count = len(described.packages)
        yield "Python", f"{described.python}, {count} packages, {described.interpreter}"
    if described.git:
        yield "git", _checkout(described.git)
    yield "variables", " ".join(described.variables) or "none"
    yield from (("note", note) for note in described.notes)


def _release(described: Environment, chosen: str) -> Iterator[tuple[str, str]]:
    release = described.release
    if release is None:
        yield "release", "this computer is no CernVM"
        yield "", f"entries get {chosen}, as you set" if chosen else "entries name one with --release"
        return
    bootloader = f", bootloader {release.bootloader}" if release.bootloader else ""
    yield "release", f"{release.label}{bootloader}{' (chosen)' if described.release_chosen else ''}"
    if release.repository:
        tag = described.release_tag or release.tag
        yield "", " ".join(filter(None, (release.repository, release.path, tag, release.root_hash)))


def _software(software: Software) -> str:
    return ", ".join(
        filter(None, (f"{software.name} {software.version}".strip(), software.platform, software.path))
    )


def _mount(mount: Mount) -> str:
    if mount.unknown:
        return f"{mount.path}: {mount.unknown}"
    tag = f"tag {mount.tag}, " if mount.tag else ""
    return f"{mount.fqrn or mount.path}, {tag}revision {mount.revision}, {mount.root_hash}"


def _checkout(checkout: Checkout) -> str:
    branch = f" ({checkout.branch})" if checkout.branch else ""
    count = (
        f": {checkout.changed} changed, {checkout.untracked} untracked" if checkout.state == "dirty" else ""
    )
    why = f": {checkout.unknown}" if checkout.unknown else ""
    return f"{checkout.commit or 'no commit yet'}{branch}, {checkout.state}{count}{why}"
