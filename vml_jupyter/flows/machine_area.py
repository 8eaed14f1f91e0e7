"""The working-area disk of a machine that is being made: served while it is read, or written to a file first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from vml_jupyter.flows import areas
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import can_read_http, companion
from vml_jupyter.progress import Progress


class AreaDisk(TypedDict, total=False):
    """How a machine gets its working area, as fields of its specification."""

    area_url: str
    area_cookie: str
    area_path: Path


@dataclass
class MachineArea:
    """The working area of one machine; ``token`` is what its hypervisor must show where it reads over HTTP."""

    settings: Settings
    folder: Path
    machine: str
    source: areas.Source
    token: str = field(repr=False)

    def __post_init__(self) -> None:
        self._socket = areas.socket_of(self.settings, self.machine)
        self._lazily = bool(self._socket) or can_read_http()

    def begin(self) -> None:
        """Start serving, in the background; does nothing where it cannot be read while it is served."""
        if self._lazily:
            areas.begin(
                self.settings,
                self.folder,
                self.machine,
                self.source,
                token=self.token,
                socket=self._socket,
            )

    def disk(self, progress: Progress) -> AreaDisk:
        """Return the disk; behind a socket it answers as soon as its server is up, and ``require`` waits for that.

        Raises:
            HostError: It cannot be served; says why.
        """
        if not self._lazily:
            return AreaDisk(area_path=self._written(progress))
        if self._socket:
            return AreaDisk(area_url=areas.socket_url(self._socket))
        return AreaDisk(area_url=areas.disk_url(self.folder), area_cookie=f"{areas.COOKIE}={self.token}")

    def require(self) -> None:
        """Wait until the disk can be read.

        Raises:
            HostError: It cannot be served; says why, which a hypervisor could not.
        """
        if self._lazily:
            areas.disk_url(self.folder)

    def renewed(self, progress: Progress) -> AreaDisk:
        """Serve it anew: the server ends with the machine that it has once seen."""
        if not self._lazily:
            return AreaDisk()
        companion.stop(self.folder, "area")
        self.begin()
        return self.disk(progress)

    def _written(self, progress: Progress) -> Path:
        progress.stage("area", "Writing the working area to a disk image")
        progress.note(
            "QEMU has no http driver here (Debian: qemu-block-extra), so the whole area is copied first"
        )
        areas.keep_source(self.folder, self.source)
        path = self.folder / "area.iso"
        with areas.image_of(self.settings, self.source) as image:
            image.write(path, progress)
        return path
