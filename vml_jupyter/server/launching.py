"""The flows of launchers, bound to one user's settings, for the handlers. All of it blocks.

They are imported at their first call, as in ``flows``: a Jupyter server must start quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.errors import NotFound
from vml_jupyter.model import Entry
from vml_jupyter.progress import Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.launch_capture import Talk
    from vml_jupyter.flows.launch_records import Launch
    from vml_jupyter.flows.launches import Launcher, Paired, ServedAreas
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.flows.told_entry import Said


class Launches:
    """Launchers, and the machines that came of them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._talks: dict[str, tuple[str, Talk]] = {}
        self.ending = False

    @cached_property
    def _areas(self) -> ServedAreas:
        from vml_jupyter.flows.launches import ServedAreas

        return ServedAreas(self._settings)

    def launcher(
        self,
        entry: str,
        servers: Sequence[str],
        certificate: str,
        *,
        release: str | None,
        without_pins: Sequence[str],
    ) -> Launcher:
        from vml_jupyter.flows.launches import launcher

        return launcher(
            self._settings,
            entry,
            servers,
            certificate=certificate,
            release=release,
            without_pins=without_pins,
        )

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

    def captured(self, launch: Launch, wish: str) -> str:
        """Return the entry that a wish for a capture came to already; '' where there is none."""
        from vml_jupyter.flows.launch_records import Records

        return Records(self._settings).captured(launch.machine).get(wish, "")

    def new_talk(self, wish: str) -> Talk:
        from vml_jupyter.flows.launch_capture import Talk

        return Talk(wish)

    def former(self, launch: Launch) -> str:
        """Let go of a machine's talk, and return the job that heard it; '' where there is none."""
        job, talk = self._talks.pop(launch.machine, ("", None))
        if talk is not None:
            talk.close()
        return job

    def attend(self, launch: Launch, job: str, talk: Talk) -> None:
        """Have a job hear a machine from now on."""
        self._talks[launch.machine] = (job, talk)

    def talk_of(self, launch: Launch, job: str) -> Talk:
        """Return what is said between a machine and the job that hears it.

        Raises:
            NotFound: This server knows no such talk: it was started anew, or another began.
        """
        known, talk = self._talks.get(launch.machine, ("", None))
        if talk is None or known != job:
            raise NotFound("this server knows nothing of that capture", "Begin it anew.")
        return talk

    def capture(self, launch: Launch, talk: Talk, said: Said, progress: Progress) -> Entry:
        from vml_jupyter.flows.launch_capture import capture_launch

        return capture_launch(self._settings, launch, talk, said, progress)

    def forget(self, machine: str) -> None:
        from vml_jupyter.flows.launch_records import Records

        Records(self._settings).forget(machine)

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
        for _, talk in self._talks.values():
            talk.close()


def _read(file: Path, offset: int, length: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)
