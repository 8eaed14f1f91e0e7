"""Machines by what is recorded of them: in their folders, which needs no hypervisor, or in the domains that run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from vml_jupyter.errors import Foreign
from vml_jupyter.machine import lifecycle
from vml_jupyter.machine.folders import all_folders
from vml_jupyter.machine.machines import Host
from vml_jupyter.machine.spec import MachineSpec, decode_spec


def recorded_machines(machines: Path) -> list[MachineSpec]:
    """Return what every machine below this folder was made of; one whose record cannot be read is left out."""
    found = []
    for folder in all_folders(machines):
        try:
            found.append(decode_spec((folder / "machine.json").read_text("utf-8")))
        except (OSError, UnicodeDecodeError, Foreign):
            continue
    return found


def taken_memory(host: Host) -> dict[str, int]:
    """Return the MiB of memory that each machine which runs was given, by its id."""
    taken = {}
    for domain in host.hypervisor.domains():
        if lifecycle.is_active(domain):
            with suppress(Foreign):
                spec = decode_spec(domain.record)
                taken[spec.id] = spec.shape.memory_mib
    return taken


def processor_seconds(host: Host, spec: MachineSpec) -> float:
    """Return how long the processors of a machine have worked since it was started or resumed.

    Raises:
        MachineGone: It is not there any more.
    """
    told = host.hypervisor.on_domain(spec.name, "measuring the machine", lambda domain, _: domain.info())
    return float(told[4]) / 1e9
