"""Which folders a system is stacked from: what several systems pin alike is in the image once.

    locks: {a==1, b==1} {a==1, b==2} {a==2, b==2}
    folders: <tag>/cvm4 has what only that system pins (and its identity), shared/4.4.0.1+4.5.0.1 what just these two do
    stack of 4.4.0.1: cernvm-system-4.4.0.1/cvm4 : shared/4.4.0.1+4.5.0.1 : base

No folder has a file that another of the same stack has, but for those of the base: a package is in one of them.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from vml_jupyter.release.mini import recipe


@functools.cache
def folders() -> dict[str, str]:
    """Return the folder of each pin, ``name==version``, of any system."""
    users: dict[str, list[recipe.System]] = {}
    for system in recipe.SYSTEMS:
        for pin in _pins(system):
            users.setdefault(pin, []).append(system)
    return {pin: _folder(systems) for pin, systems in users.items()}


def stack(system: recipe.System) -> list[str]:
    """Return the folders of a system, its own first; the base, which is below all, is left out."""
    own = _folder([system])
    shared = {folders()[pin] for pin in _pins(system)} - {own}
    return [own, *sorted(shared, key=lambda folder: (folder.count("+"), folder))]


def all_folders() -> list[str]:
    """Return every folder of any stack, once."""
    return list(dict.fromkeys(folder for system in recipe.SYSTEMS for folder in stack(system)))


def folder_of(wheel: Path) -> str:
    """Return the folder that a wheel is laid into."""
    name, version = wheel.name.split("-")[:2]
    return folders()[f"{re.sub('[-_.]+', '-', name).lower()}=={version}"]


def _pins(system: recipe.System) -> list[str]:
    lines = system.lock_file.read_text().splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def _folder(systems: list[recipe.System]) -> str:
    if len(systems) == 1:
        return f"{systems[0].tag}/{recipe.CERNVM_PATH}"
    return f"shared/{'+'.join(system.version for system in systems)}"
