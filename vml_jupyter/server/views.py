"""What the browser gets to see of a record: enough to draw it, no more.

An entry's list of packages is long and a machine's address holds its token, so neither is in a list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from vml_jupyter.model import Entry, Environment, Machine, Release

if TYPE_CHECKING:
    from vml_jupyter.flows.restore import Restored
    from vml_jupyter.release import AvailableRelease


def release_view(release: Release | None) -> dict[str, str] | None:
    """Return what names a release, or None where there is none."""
    if release is None:
        return None
    return {"system": release.system, "bootloader": release.bootloader, "label": release.label}


def environment_view(environment: Environment) -> dict[str, Any]:
    """Return an environment without its packages."""
    return {
        "release": release_view(environment.release),
        "release_chosen": environment.release_chosen,
        "os": environment.os,
        "python": environment.python,
    }


def whole_environment_view(environment: Environment) -> dict[str, Any]:
    """Return an environment with all that was recorded, and its release as people call it."""
    told: dict[str, Any] = msgspec.to_builtins(environment)
    return {**told, "release": release_view(environment.release)}


def entry_view(entry: Entry) -> dict[str, Any]:
    """Return an entry with a short environment."""
    return {
        "id": entry.id,
        "time": entry.time,
        "title": entry.title,
        "note": entry.note,
        "project": entry.project,
        "edited": entry.edited,
        "forgotten": entry.forgotten,
        "notebook": entry.notebook,
        "cell": entry.cell,
        "area": entry.area,
        "parent": entry.parent,
        "tags": entry.tags,
        "files": entry.files,
        "bytes": entry.bytes,
        "new_bytes": entry.new_bytes,
        "automatic": entry.automatic,
        "writer": entry.writer,
        "environment": environment_view(entry.environment),
    }


def machine_view(machine: Machine) -> dict[str, Any]:
    """Return a machine without its address."""
    return {
        "id": machine.id,
        "entry": machine.entry,
        "title": machine.title,
        "notebook": machine.notebook,
        "state": machine.state,
        "detail": machine.detail,
        "created": machine.created,
        "since": machine.since,
        "release": release_view(machine.release),
        "differences": machine.differences,
        "label": machine.label,
        "accelerator": machine.accelerator,
        "shape": msgspec.to_builtins(machine.shape),
        "arrival": machine.arrival,
    }


def offered_views(offered: Iterable[AvailableRelease]) -> list[dict[str, Any]]:
    """Return the systems that can be chosen, each once, and whether its image is on this computer."""
    by_system: dict[str, dict[str, Any]] = {}
    for one in offered:
        here = one.state == "here"
        can_be_had = here or one.state == "downloadable"
        if can_be_had and one.release.system and (here or one.release.system not in by_system):
            by_system[one.release.system] = {**(release_view(one.release) or {}), "here": here}
    return list(by_system.values())


def captured_view(entry: Entry) -> dict[str, Any]:
    """Return the result of a snapshot job."""
    return {
        "entry": entry.id,
        "title": entry.title,
        "files": entry.files,
        "bytes": entry.bytes,
        "new_bytes": entry.new_bytes,
        "release": release_view(entry.environment.release),
    }


def restored_view(restored: Restored) -> dict[str, Any]:
    """Return the result of a restore job; the address is asked for when the machine is opened."""
    return {
        "machine": restored.machine.id,
        "release": release_view(restored.machine.release),
        "label": restored.machine.label,
        "accelerator": restored.accelerator,
        "warm": restored.warm,
        "seconds": restored.seconds,
    }
