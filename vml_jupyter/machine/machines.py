"""Machines on one host: made, listed, started, stopped, deleted.

    define_and_start:  scratch disk -> network -> description -> domain runs      each undone if a later one fails
    delete:            domain ends and is forgotten -> processes beside it end -> its folder goes

A machine is a domain that bears our metadata, and its folder. Other domains are never touched, and of the release
image a machine only ever gets a read-only view.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType

import msgspec
import platformdirs

from vml_jupyter.errors import (
    Ambiguous,
    Foreign,
    MachineGone,
    MachineRefused,
    NotFound,
)
from vml_jupyter.machine import companion, folders, lifecycle
from vml_jupyter.machine.disks import create_scratch
from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.machine.logs import remove_domain_log
from vml_jupyter.machine.network import COMPANION as NETWORK
from vml_jupyter.machine.session import SESSION
from vml_jupyter.machine.spec import MachineSpec, decode_spec, with_secrets
from vml_jupyter.model import Machine
from vml_jupyter.progress import SILENT, Progress

_SHUTDOWN_S = 20.0


class Host:
    """A hypervisor and our data folder: everything that can be done with machines."""

    def __init__(self, hypervisor: Hypervisor, data: Path, machines: Path | None = None) -> None:
        self.hypervisor = hypervisor
        self.folders = machines or data / "machines"

    @classmethod
    def connect(cls, uri: str = SESSION, data: Path | None = None) -> Host:
        """Connect to a hypervisor.

        Args:
            uri: A libvirt URI.
            data: Our data folder; the user's own when None.

        Raises:
            ToolMissing: libvirt is not installed.
            LibvirtUnreachable: It does not answer.
        """
        data = data or Path(platformdirs.user_data_path("vml"))
        return cls(Hypervisor.connect(uri, data), data)

    def close(self) -> None:
        self.hypervisor.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def new_folder(self, machine_id: str) -> AbstractContextManager[Path]:
        """Make the folder of a machine to be; it is kept if the ``with`` succeeds and removed if it fails."""
        return folders.new_folder(self.folders, machine_id)

    def define_and_start(self, spec: MachineSpec, progress: Progress = SILENT) -> Machine:
        """Make a machine whose folder, image and context ISO exist, and start it.

        Returns:
            The machine, ``starting``, with the port it got.

        Raises:
            DiskFull, ToolMissing, PortTaken: The host lacks something.
            MachineRefused: libvirt would not; nothing of the machine is left then but its folder.
        """
        spec = self.dated(spec)
        with folders.locked(spec.folder), ExitStack() as undo:
            undo.callback(spec.scratch.unlink, missing_ok=True)
            create_scratch(spec.scratch, spec.shape, spec.image if spec.image_is_root else None)
            undo.callback((spec.folder / "machine.json").unlink, missing_ok=True)
            undo.callback(lifecycle.forget, self.hypervisor, spec.name)
            spec = lifecycle.bring_up(self.hypervisor, spec, undo, progress)
            undo.pop_all()
        return spec.machine("starting")

    def dated(self, spec: MachineSpec) -> MachineSpec:
        """Return a machine that is made here and now."""
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return msgspec.structs.replace(spec, created=spec.created or now, uri=self.hypervisor.uri)

    def start(
        self,
        machine_id: str,
        *,
        serve: Callable[[], str] | None = None,
        progress: Progress = SILENT,
    ) -> Machine:
        """Start a stopped machine again, on the same port if that is free.

        Args:
            machine_id: The whole id.
            serve: Has its working area served and returns where; '' means as before, as does None.
            progress: Hears what the user should know.

        Raises:
            NotFound: There is no such machine.
            MachineRefused: It runs already, or libvirt would not.
        """
        spec = self.spec(machine_id)
        with folders.locked(spec.folder), ExitStack() as undo:
            if self._state_of(machine_id) != "off":
                raise MachineRefused(f"the machine {machine_id} is not stopped", "Stop it first.")
            undo.callback(companion.stop_all, spec.folder)
            spec = msgspec.structs.replace(spec, area_url=(serve() if serve else "") or spec.area_url)
            spec = lifecycle.bring_up(self.hypervisor, spec, undo, progress)
            undo.pop_all()
        return spec.machine("starting")

    def machines(self) -> list[Machine]:
        """Return the machines of this hypervisor, newest first; one whose domain has vanished is ``broken``."""
        found: dict[str, Machine] = {}
        for domain in self.hypervisor.domains():
            try:
                spec = with_secrets(decode_spec(domain.record))
            except Foreign:
                continue
            if spec.folder.parent != self.folders:
                continue  # of another data folder, whose owner asks with that one
            found[spec.id] = spec.machine(*lifecycle.machine_state(domain, spec))
        for folder in folders.all_folders(self.folders):
            spec_there = self._spec_in(folder)
            if spec_there is not None and folder.name not in found:
                gone = "the hypervisor no longer knows it: delete it, and restore the entry again"
                found[folder.name] = spec_there.machine("broken", gone)
        return sorted(found.values(), key=lambda machine: machine.created, reverse=True)

    def get(self, machine_id: str) -> Machine:
        """Return the machine whose id is, or begins with, that.

        Raises:
            NotFound: There is none.
            Ambiguous: There are several.
        """
        matching = [machine for machine in self.machines() if machine.id.startswith(machine_id)]
        if len(matching) > 1:
            ids = ", ".join(machine.id for machine in matching)
            raise Ambiguous(f"{machine_id} may be any of {ids}", "Give more of the id.")
        if not matching or not machine_id:
            raise NotFound(
                f"there is no machine {machine_id[:40]!r}", "The list of machines shows their ids."
            )
        return matching[0]

    def spec(self, machine_id: str) -> MachineSpec:
        """Return what a machine was made of, with its secrets.

        Raises:
            NotFound: There is no such machine.
        """
        folder = folders.folder_of(self.folders, machine_id)
        domain = self.hypervisor.find(f"vml-{machine_id}")
        spec = decode_spec(domain.record) if domain is not None else self._spec_in(folder)
        if spec is None:
            raise NotFound(f"there is no machine {machine_id}", "The list of machines shows their ids.")
        return with_secrets(spec)

    def is_active(self, machine_id: str) -> bool:
        """Tell whether the machine's processor is there, running or paused."""
        return lifecycle.is_active(self.hypervisor.find(f"vml-{machine_id}"))

    def has_fallen(self, machine_id: str) -> bool:
        """Tell whether the hypervisor's own process ended under the machine, instead of the machine itself."""
        domain = self.hypervisor.find(f"vml-{machine_id}")
        return domain is not None and domain.fell

    def mark_ready(self, machine_id: str) -> Machine:
        """Note that the machine has answered as ready: from now on it is ``running``.

        Raises:
            NotFound: There is no such machine.
            MachineGone: It does not run any more.
        """
        spec = self.spec(machine_id)
        if not self.is_active(machine_id):
            raise MachineGone(f"the machine {machine_id} has stopped", "Its console may tell why.")
        spec.ready.touch(mode=0o600)
        return spec.machine("running")

    def stop(
        self, machine_id: str, patience_s: float = _SHUTDOWN_S, ask: Callable[[], None] | None = None
    ) -> None:
        """Shut a machine down, at once if it does not listen; its disk is kept. A stopped one stays as it is.

        Args:
            machine_id: The whole id.
            patience_s: How long the guest may take.
            ask: Asks the guest in another way than the power button, which not every guest heeds.

        Raises:
            NotFound: There is no such machine.
        """
        spec = self.spec(machine_id)
        with folders.locked(spec.folder):
            state = self._state_of(machine_id)
            if state == "active":
                lifecycle.shut_down(self.hypervisor, spec.name, patience_s, ask)
            if state == "saved":
                self.hypervisor.discard_saved(spec.name)
            if self.is_active(machine_id):
                self.hypervisor.destroy(spec.name)
            spec.ready.unlink(missing_ok=True)
            companion.stop_all(spec.folder)

    def delete(self, machine_id: str) -> None:
        """Remove a machine and everything that is its own; nothing happens where there is none."""
        folder = folders.folder_of(self.folders, machine_id)
        name = f"vml-{machine_id}"
        if folder.is_dir():
            with folders.locked(folder):
                lifecycle.forget(self.hypervisor, name)
                remove_domain_log(name)  # also of a domain that vanished before
                folders.remove_folder(folder)
        else:
            lifecycle.forget(self.hypervisor, name)
            folders.remove_folder(folder)

    def withdraw(self, spec: MachineSpec) -> None:
        """Undo define_and_start(): nothing of the machine is left but its folder, and who serves its working area."""
        with folders.locked(spec.folder):
            lifecycle.forget(self.hypervisor, spec.name)
            companion.stop(spec.folder, NETWORK)
            for file in (spec.scratch, spec.ready, spec.folder / "machine.json"):
                file.unlink(missing_ok=True)

    def console_tail(self, machine_id: str, lines: int = 20) -> str:
        """Return the last lines that a machine wrote to its serial console, as plain text."""
        return folders.console_tail(folders.folder_of(self.folders, machine_id) / "console.log", lines)

    def sweep(self) -> None:
        """Clear what crashes leave: folders of machines never finished, processes beside machines that are off."""
        for folder in folders.all_folders(self.folders):
            if folders.is_left_over(folder):
                folders.remove_folder(folder)
                continue
            if self._spec_in(folder) is None:
                continue
            with folders.locked_if_free(folder) as nobody_is_at_it:
                if nobody_is_at_it and self._state_of(folder.name) in ("off", "saved", "crashed"):
                    companion.stop_all(folder)

    def _state_of(self, machine_id: str) -> str:
        domain = self.hypervisor.find(f"vml-{machine_id}")
        return domain.state if domain is not None else "absent"

    def _spec_in(self, folder: Path) -> MachineSpec | None:
        try:
            spec = decode_spec((folder / "machine.json").read_text("utf-8"))
        except (OSError, Foreign):
            return None
        return with_secrets(spec) if spec.uri == self.hypervisor.uri else None
