"""The flows of launchers, bound to one user's settings, for the handlers. All of it blocks.

They are imported at their first call, as in ``flows``: a Jupyter server must start quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vml_jupyter.flows.launch_records import Launch
    from vml_jupyter.flows.launches import Launcher, Paired, ServedAreas
    from vml_jupyter.flows.settings import Settings


class Launches:
    """Launchers, and the machines that came of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _areas(self) -> ServedAreas:
        from vml_jupyter.flows.launches import ServedAreas

        return ServedAreas(self._settings)

    def launcher(self, entry: str, servers: Sequence[str], certificate: str) -> Launcher:
        from vml_jupyter.flows.launches import launcher

        return launcher(self._settings, entry, servers, certificate=certificate)

    def pair(self, token: str, client: str, script_sha256: str) -> Paired:
        from vml_jupyter.flows.launches import pair

        return pair(self._settings, token, client, script_sha256)

    def find(self, machine: str, token: str) -> Launch:
        from vml_jupyter.flows.launch_records import Records

        return Records(self._settings).find(machine, token)

    def all(self) -> list[Launch]:
        from vml_jupyter.flows.launch_records import Records

        return Records(self._settings).all()

    def report(self, launch: Launch, stage: str, accelerator: str) -> None:
        from vml_jupyter.flows.launches import report

        report(self._settings, launch, stage, accelerator)

    def part(self, launch: Launch, what: str) -> tuple[int, Callable[[int, int], bytes]]:
        """Return how large a file of a machine is, and what reads a part of it."""
        from vml_jupyter.flows.launch_records import Records

        if what == "area.iso":
            return self._areas.size(launch), lambda offset, length: self._areas.read(launch, offset, length)
        file = (
            Records(self._settings).context(launch.machine) if what == "context.iso" else Path(launch.image)
        )
        return file.stat().st_size, lambda offset, length: _read(file, offset, length)

    def close(self) -> None:
        if "_areas" in self.__dict__:
            self._areas.close()


def _read(file: Path, offset: int, length: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
