"""What a machine of an entry is made of: its release, pins and image, or those that the user chose instead.

entry, release? , pins to leave out?  -> recorded things still there? -> release, pins, image file
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vml_jupyter.errors import DigestMismatch, ReleaseNotFound, ReleaseUnknown
from vml_jupyter.flows.context import chosen_pins
from vml_jupyter.flows.durability import release_choices, require
from vml_jupyter.flows.provide import booted, provide
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Pin, Release
from vml_jupyter.progress import Progress


@dataclass(frozen=True)
class Chosen:
    """A release as it boots, the repositories that it pins, and the file that it boots from."""

    release: Release
    pins: tuple[Pin, ...]
    image: Path


def chosen(
    settings: Settings, entry: Entry, release: str | None, without: Sequence[str], progress: Progress
) -> Chosen:
    """Return what a machine is made of, all of which can be had; an image that is not here is downloaded.

    Args:
        settings: Where images and servers are.
        entry: The entry.
        release: Another CernVM version than the recorded one.
        without: Repositories that follow their newest revision; ``all`` for all.
        progress: Who listens.

    Raises:
        NotFound: It has no such pin.
        PinGone: What it recorded cannot be had any more; carries what can be asked for instead.
        ReleaseError: Its release cannot be had; likewise.
    """
    pins = chosen_pins(entry.environment, without)
    try:
        wanted = release_of(settings, entry, release)
        progress.stage("pins", f"Checking that {wanted.label} is still there as recorded")
        for note in require(settings, entry, wanted, pins):
            progress.note(note)
        image = provide(settings, wanted, progress)
        return Chosen(booted(settings, wanted, image, progress), pins, image)
    except (ReleaseNotFound, ReleaseUnknown, DigestMismatch) as error:
        error.choices = release_choices(settings, entry.environment.release, asking=True)
        raise
