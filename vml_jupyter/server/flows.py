"""What the server calls: the flows, bound to one user's settings.

A test can stand in something smaller for this class. The flows are imported at their first call: a Jupyter server
must start quickly, and also where the hypervisor's library is broken or missing; the panel then shows that error
instead of the server showing nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vml_jupyter.model import Entry, Environment, Machine, Shape, StandardSnapshot
from vml_jupyter.progress import Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.doctor import Report
    from vml_jupyter.flows.durability import Durability
    from vml_jupyter.flows.idle import IdleWatch
    from vml_jupyter.flows.restore import Restored
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.flows.warm import Recipe
    from vml_jupyter.release import AvailableRelease


class Flows:
    """Everything the browser's side can ask for. All of it blocks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: IdleWatch | None = None

    def edit(
        self,
        entry: str,
        *,
        title: str | None,
        note: str | None,
        project: str | None,
        add_tags: Sequence[str],
        remove_tags: Sequence[str],
    ) -> Entry:
        from vml_jupyter.flows.entries import edit

        return edit(
            self._settings,
            entry,
            title=title,
            note=note,
            project=project,
            add_tags=add_tags,
            remove_tags=remove_tags,
        )

    def forget(self, entry: str) -> Entry:
        from vml_jupyter.flows.bin import forget

        return forget(self._settings, [entry])[0]

    def unforget(self, entry: str) -> Entry:
        from vml_jupyter.flows.bin import unforget

        return unforget(self._settings, [entry])[0]

    def restore(
        self,
        entry: str,
        *,
        release: str | None,
        without_pins: Sequence[str],
        shape: Shape | None,
        base_url: str,
        origin: str,
        progress: Progress,
    ) -> Restored:
        from vml_jupyter.flows.restore import restore

        return restore(
            self._settings,
            entry,
            release=release,
            without_pins=without_pins,
            shape=shape,
            base_url=base_url,
            origin=origin,
            progress=progress,
        )

    def keep_warm(self, recipe: Recipe, progress: Progress) -> str:
        from vml_jupyter.flows.warm_maker import make_when_idle

        return make_when_idle(self._settings, recipe, progress)

    def machines(self) -> list[Machine]:
        from vml_jupyter.flows.machines import list_machines

        return list_machines(self._settings)

    def start(self, machine: str, progress: Progress) -> object:
        from vml_jupyter.flows.machines import start

        return start(self._settings, machine, progress)

    def suspend(self, machine: str, progress: Progress) -> object:
        from vml_jupyter.flows.life import suspend

        return suspend(self._settings, machine, progress)

    def resume(self, machine: str, progress: Progress) -> object:
        from vml_jupyter.flows.life import resume

        return resume(self._settings, machine, progress)

    def capture_machine(
        self, machine: str, *, title: str, note: str, tags: Sequence[str], progress: Progress
    ) -> Entry:
        from vml_jupyter.flows.machine_capture import capture_machine

        return capture_machine(self._settings, machine, title=title, note=note, tags=tags, progress=progress)

    def idle(self) -> list[str]:
        if not self._settings.machines.is_dir():
            return []  # most Jupyter servers never see a machine
        from vml_jupyter.flows.idle import IdleWatch

        self._idle = self._idle or IdleWatch(self._settings)
        return self._idle.look()

    def suspend_idle(self, machine: str, progress: Progress) -> bool:
        from vml_jupyter.flows.idle import suspend_idle

        return suspend_idle(self._settings, machine, progress)

    def take_standard(self, machine: str, name: str, progress: Progress) -> StandardSnapshot:
        from vml_jupyter.flows.standard import take

        return take(self._settings, machine, name, progress)

    def standard(self, machine: str) -> list[StandardSnapshot]:
        from vml_jupyter.flows.standard import listing

        return listing(self._settings, machine)

    def revert(self, machine: str, name: str, progress: Progress) -> object:
        from vml_jupyter.flows.standard import revert

        return revert(self._settings, machine, name, progress)

    def delete_standard(self, machine: str, name: str, progress: Progress) -> None:
        from vml_jupyter.flows.standard import delete

        delete(self._settings, machine, name, progress)

    def doctor(self, again: bool) -> Report:
        from vml_jupyter.flows.doctor import doctor

        return doctor(self._settings, again=again)

    def stop(self, machine: str, progress: Progress) -> object:
        from vml_jupyter.flows.machines import stop

        return stop(self._settings, machine, progress)

    def delete(self, machine: str, progress: Progress) -> object:
        from vml_jupyter.flows.machines import delete

        return delete(self._settings, machine, progress)

    def console(self, machine: str, lines: int) -> str:
        from vml_jupyter.flows.machines import console

        return console(self._settings, machine, lines)

    def machine_token(self, machine: str) -> str:
        from vml_jupyter.flows.machines import machine_token

        return machine_token(self._settings, machine)

    def releases(self) -> list[AvailableRelease]:
        from vml_jupyter.flows.releases import list_releases

        return list_releases(self._settings)

    def durabilities(self, entry: str, *, asking: bool) -> dict[str, Durability]:
        """Return how it stands with one entry, or with all of them where none is named."""
        from vml_jupyter.flows.durability import durabilities
        from vml_jupyter.flows.entries import find_entry, list_entries

        entries = [find_entry(self._settings, entry)] if entry else list_entries(self._settings)
        return durabilities(self._settings, entries, asking=asking)

    def environment(self) -> Environment:
        from vml_jupyter.environment import describe

        return describe()
