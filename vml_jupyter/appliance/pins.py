"""Which Python packages the VML VM gets: those that this VML runs with, in the versions that it runs with.

    vml_jupyter + ipykernel -> what they require, and so on, as Debian's Python would -> name==version

libvirt stays out: in the VML VM no machine starts, launchers start them elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from vml_jupyter.building.wheels import PYTHON

OWN = "vml_jupyter"
WANTED = (OWN, "ipykernel")
LEFT_OUT = frozenset({"libvirt-python"})

_TARGET = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.2",
    "implementation_name": "cpython",
    "implementation_version": f"{PYTHON}.2",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "sys_platform": "linux",
}


def pins() -> list[str]:
    """Return a requirement for each package but our own: pinned, unless only the VML VM's Python needs it."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    open_ = [Requirement(name) for name in WANTED]
    while open_:
        requirement = open_.pop()
        name = str(canonicalize_name(requirement.name))
        if name in LEFT_OUT:
            continue
        found.setdefault(name, _pinned(name, requirement))
        for extra in ("", *requirement.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                open_ += _required(name, extra)
    found.pop(str(canonicalize_name(OWN)))
    return sorted(found.values())


def _pinned(name: str, requirement: Requirement) -> str:
    try:
        return f"{name}=={metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name}{requirement.specifier}"


def _required(name: str, extra: str) -> Iterator[Requirement]:
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({**_TARGET, "extra": extra}):
            yield requirement
