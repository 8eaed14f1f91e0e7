"""What a machine is told when it starts: who it is, and the context that carries it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from vml_jupyter.context import client_files, unpack_pickup, user_data, write_context_iso
from vml_jupyter.flows.added import setup_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AGENT_UNIT, GuestConfig, pickup
from vml_jupyter.model import Entry, Pin, Release


def guest_config(
    entry: Entry, release: Release, machine_id: str, token: str, base_url: str, origin: str
) -> GuestConfig:
    """Return what a machine's agent must know."""
    return GuestConfig(
        token=token,
        base_url=base_url,
        notebook=entry.notebook,
        machine=machine_id,
        entry=entry.id,
        hostname=f"vml-{machine_id}",
        release=release.label,
        area=Path(entry.area).name,
        origin=origin,
        view=_view(entry),
    )


def _view(entry: Entry) -> str:
    """Return the LCG view that was set up when the entry was taken; '' for none, or one that is not called so."""
    path = next((each.path for each in entry.environment.software if each.name == "LCG view"), "")
    return (
        path if re.fullmatch(r"/cvmfs/[\w-]+\.cern\.ch/lcg/views(/\w[\w.+-]*){2,3}", path, re.ASCII) else ""
    )


def write_context(
    settings: Settings,
    folder: Path,
    config: GuestConfig,
    release: Release,
    pins: Sequence[Pin],
    packed: Callable[[bytes], bytes] = bytes,
) -> Path:
    """Write the context of a machine into a folder, and return where it is; ``packed`` repacks its archive."""
    path = folder / "context.iso"
    # Micro-CernVM unpacks the pickup by itself.
    cloud_config = unpack_pickup(AGENT_UNIT) if release.is_cloud else ""
    told = user_data(release, settings.context, pins=pins, cloud_config=cloud_config)
    archive = pickup(config, client_files(pins), setup_of(settings, release))
    write_context_iso(path, told, packed(archive), config.machine)
    return path
