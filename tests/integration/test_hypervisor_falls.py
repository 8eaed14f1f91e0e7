"""QEMU itself ends while a machine comes up: the machine is started once more, and no more than once."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from vml_jupyter.errors import MachineNotReady
from vml_jupyter.flows import machines
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.restore import restore
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600)]


BOOTS_S = 3.0


class Crasher:
    """Let QEMUs of a data folder end as by a fault of their own, each after it has begun to boot."""

    def __init__(self, folder: Path, times: int) -> None:
        self.crashed: list[int] = []
        self._folder, self._times = folder, times
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Crasher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        seen: dict[int, float] = {}
        while len(self.crashed) < self._times and not self._over.wait(0.2):
            for pid in set(self._qemus()) - set(self.crashed):
                if time.monotonic() - seen.setdefault(pid, time.monotonic()) > BOOTS_S:
                    os.kill(pid, signal.SIGSEGV)
                    self.crashed.append(pid)

    def _qemus(self) -> Iterator[int]:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended
                line = file.read_bytes()
                if b"qemu-system" in line.split(b"\0")[0] and os.fsencode(self._folder) in line:
                    yield int(file.parent.name)


def test_a_machine_whose_hypervisor_falls_is_started_once_more(
    machine_settings: Settings, dimuon: Path
) -> None:
    entry = capture(machine_settings, dimuon, notebook="dimuon.ipynb", release=recipe.SYSTEMS[0].version)
    with Crasher(machine_settings.data, 2) as crasher, pytest.raises(MachineNotReady, match="has ended"):
        restore(machine_settings, entry.id)
    assert len(crasher.crashed) == 2
    assert machines.list_machines(machine_settings) == []

    with Crasher(machine_settings.data, 1) as crasher:
        restored = restore(machine_settings, entry.id)
    assert len(crasher.crashed) == 1
    assert restored.machine.state == "running"
    assert any("QEMU itself ended abnormally" in note for note in restored.notes)
    machines.delete(machine_settings, restored.machine.id)
