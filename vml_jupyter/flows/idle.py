"""Find machines that nobody uses, so that whoever watches can suspend them.

A machine is idle when no kernel runs a cell, its Jupyter was asked nothing for the time of the settings, and its
processors have done next to nothing since it was looked at before. A page that a browser shows keeps asking, and so
keeps a machine awake; one in a hidden tab does not.
"""

from __future__ import annotations

import time

from vml_jupyter.errors import MachineError, NotFound
from vml_jupyter.flows.life import suspend
from vml_jupyter.flows.machines import connected
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest.activity import activity
from vml_jupyter.machine import Host, MachineSpec, processor_seconds
from vml_jupyter.progress import SILENT, Progress

_RESTING = 0.25  # of one processor: what an idle guest needs, emulated, with a margin


def suspend_idle(settings: Settings, machine_id: str, progress: Progress = SILENT) -> bool:
    """Suspend a machine that was found idle, unless somebody has begun to use it since; return whether it was done.

    Raises:
        As life.suspend().
    """
    with connected(settings) as host:
        unused = _is_unused(host.spec(machine_id), settings.idle_minutes * 60)
    if unused:
        suspend(settings, machine_id, progress)
    return unused


def _is_unused(spec: MachineSpec, patience_s: float) -> bool:
    used = activity(spec.port, spec.base_url, spec.token)
    return used is not None and not used.busy and used.idle_s >= patience_s


class IdleWatch:
    """Looks at the machines again and again; use one for as long as you watch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._before: dict[str, tuple[float, float]] = {}

    def look(self) -> list[str]:
        """Return the ids of the machines that are idle now.

        Raises:
            LibvirtUnreachable, ToolMissing: There is no hypervisor to ask.
        """
        settings = self._settings
        if not settings.idle_minutes or not settings.machines.is_dir():
            return []
        with connected(settings) as host:
            running = [machine.id for machine in host.machines() if machine.state == "running"]
            self._before = {name: seen for name, seen in self._before.items() if name in running}
            return [name for name in running if self._is_idle(host, name)]

    def _is_idle(self, host: Host, machine_id: str) -> bool:
        try:
            spec = host.spec(machine_id)
            rests = self._rests(host, spec)
            awake_s = time.time() - spec.ready.stat().st_mtime
        except (NotFound, MachineError, OSError):
            return False  # gone while we looked
        patience_s = self._settings.idle_minutes * 60
        return rests and awake_s >= patience_s and _is_unused(spec, patience_s)

    def _rests(self, host: Host, spec: MachineSpec) -> bool:
        """Tell whether the machine's processors did next to nothing since the last look; not so at the first."""
        now, used = time.monotonic(), processor_seconds(host, spec)
        since, before = self._before.get(spec.id, (now, used))
        self._before[spec.id] = now, used
        return now > since and (used - before) / (now - since) < _RESTING
