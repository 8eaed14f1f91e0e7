"""The context of an entry, for a machine that is made by hand: in any hypervisor, on any cloud.

    entry, release -> user-data -> printed, or with the pins of its repositories on an ISO

What it holds is what makes a machine the CernVM of the entry: the pin of its system and of every other recorded
repository. It holds no agent, no token, no account and no working area: those belong to machines that VML makes itself
and talks to. (`vml restore --to` gives the files; how to log in is said with keys and users of one's own.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from vml_jupyter.context import client_files, user_data, write_context_iso
from vml_jupyter.errors import NotFound
from vml_jupyter.flows.entries import find_entry
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import pickup_of
from vml_jupyter.model import Environment, Pin, Release, pins_of, unpinned


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """``left_out`` are repositories that were mounted, and will be as they are on the day."""

    entry: str
    release: Release
    pins: tuple[Pin, ...]
    left_out: tuple[str, ...]
    user_data: bytes


def context_of(
    settings: Settings,
    entry_id: str,
    *,
    release: str | None = None,
    without_pins: Sequence[str] = (),
    extra: Mapping[str, str] | None = None,
) -> Context:
    """Return what a machine is told to be the one of an entry.

    Args:
        settings: Where the logbook is, and what every machine is told.
        entry_id: The entry, or the beginning of its id.
        release: Another CernVM version than the recorded one.
        without_pins: Repositories that follow their newest revision; ``all`` for all of them.
        extra: Further keys of micro-CernVM; they beat those of the settings.

    Raises:
        NotFound: There is no such entry, or it has no such repository.
        ReleaseError: It records no release, and none is named.
        Usage: A key or value cannot be written, or it is too much.
    """
    entry = find_entry(settings, entry_id)
    wanted = release_of(settings, entry, release)
    pins = chosen_pins(entry.environment, without_pins)
    loose = {pin.fqrn for pin in pins_of(entry.environment)} - {pin.fqrn for pin in pins}
    return Context(
        entry=entry.id,
        release=wanted,
        pins=pins,
        left_out=(*sorted(loose), *unpinned(entry.environment)),
        user_data=user_data(wanted, {**settings.context, **(extra or {})}, pins=pins),
    )


def write(context: Context, path: Path, *, overwrite: bool = False) -> None:
    """Write the ISO of a context.

    Raises:
        WouldOverwrite: Something is there already.
        DiskFull, HostError: It cannot be written.
    """
    pickup = pickup_of(client_files(context.pins))
    write_context_iso(path, context.user_data, pickup, context.entry, overwrite=overwrite)


def chosen_pins(environment: Environment, without: Sequence[str]) -> tuple[Pin, ...]:
    """Return the recorded pins but those that the user does without.

    Raises:
        NotFound: One that is named is no pin.
    """
    pins = pins_of(environment)
    if "all" in without:
        return ()
    names = [pin.fqrn for pin in pins]
    for name in without:
        if name not in names:
            raise NotFound(
                f"the entry has no pin of {name!r} (it has: {', '.join(names) or 'none'})",
                "Name one of them, or all.",
            )
    return tuple(pin for pin in pins if pin.fqrn not in without)
