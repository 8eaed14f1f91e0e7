"""Make warm states, list and remove them.

    release -> machine without a working area -> its agent says warm -> memory and disk saved, the machine removed

One is made at a time. Whoever makes it gives way to somebody who lacks the memory for a machine that he waits for.
"""

from __future__ import annotations

import datetime
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vml_jupyter.context import write_context_iso
from vml_jupyter.errors import (
    Cancelled,
    Foreign,
    LimitReached,
    MachineGone,
    MachineNotReady,
    NotFound,
)
from vml_jupyter.flows.limits import claim, making_gives_way
from vml_jupyter.flows.machines import mismatch
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import named_release
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.warm import Recipe, alone, can_keep_warm, sweep
from vml_jupyter.guest import AgentClient, GuestConfig
from vml_jupyter.machine import (
    Host,
    Kept,
    MachineSpec,
    WarmState,
    WarmStore,
    freeze,
    probe_accelerator,
    write_place,
)
from vml_jupyter.machine.warm_store import file_of, key_of
from vml_jupyter.model import new_entry_id
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import ISO, kind_of

_ANSWER_S = 1.0
_WARM_S = 600.0


def warm(settings: Settings, name: str, *, again: bool = False, progress: Progress = SILENT) -> list[Kept]:
    """Keep a release warm, for machines of the user's own shape that are pinned to nothing else.

    Args:
        settings: Where it goes, and how large machines are.
        name: The release.
        again: Make it anew though there is one.
        progress: Who listens.

    Returns:
        The one state.

    Raises:
        ReleaseError: There is no such release, or it cannot be had.
        LimitReached: Another process makes one just now, warm states are switched off, or there is no room.
        MachineError, HostError: As for make().
    """
    if not can_keep_warm(settings):
        raise LimitReached(
            f"warm states are switched off, or {settings.libvirt_uri} is not the user's own hypervisor",
            "Set warm_quota_mib to some MiB, e.g. 4096, and leave libvirt_uri as it is.",
        )
    release = named_release(settings, name, progress)
    recipe = Recipe(
        release=release,
        pins=(),
        image=provide(settings, release, progress),
        shape=settings.shape,
        accelerator=probe_accelerator(settings.cache).name,
    )
    key = make(settings, recipe, progress, again=again)
    if not key:
        raise LimitReached("another process makes a warm state just now", "Try again in a minute.")
    return [kept for kept in WarmStore(settings.warm).listing() if kept.key == key]


def states(settings: Settings, name: str = "") -> list[Kept]:
    """Return the warm states of a release, or all of them, the one that was last used first.

    Raises:
        NotFound: There is none of that release.
    """
    kept = WarmStore(settings.warm).listing()
    found = [
        each for each in kept if name in ("", each.key, each.state.release.system, each.state.release.label)
    ]
    if name and not found:
        raise NotFound(
            f"there is no warm state of {name[:60]!r}", "vml warm --list shows those that are kept."
        )
    return found


def remove(settings: Settings, name: str = "") -> list[Kept]:
    """Remove the warm states of a release, or all of them, and return them; machines made from them stay.

    Raises:
        NotFound: There is none of that release.
    """
    found = states(settings, name)
    for kept in found:
        WarmStore(settings.warm).remove(kept.key)
    return found


def make(settings: Settings, recipe: Recipe, progress: Progress = SILENT, *, again: bool = False) -> str:
    """Make the warm state of a release, unless there is one.

    Args:
        settings: Where it goes, and how much room warm states may take.
        recipe: What machines will be made of.
        progress: Hears how it goes; may cancel.
        again: Make it anew though there is one.

    Returns:
        Its key; '' where another process makes one just now.

    Raises:
        Cancelled: Somebody wanted the memory for a machine of his own.
        LimitReached: It does not fit into the quota.
        MachineError, HostError: It did not come up, or could not be saved; nothing is left of it.
    """
    store = WarmStore(settings.warm)
    store.making.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Host.connect(settings.libvirt_uri, settings.data) as host, alone(settings) as nobody_else:
        if not nobody_else:
            return ""
        sweep(settings, host)
        facts = recipe.facts(settings, host)
        if store.has(facts) and not again:
            return key_of(facts)
        progress.stage("start", f"Starting {recipe.release.label} to keep it warm")
        state, draft = _made(settings, host, recipe, facts, _GivesWay(settings, progress))
        try:
            key = store.keep(draft, state)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        removed = store.bound(settings.warm_quota_mib << 20)
    if key in removed:
        raise LimitReached(
            f"the warm state is larger than all warm states may be, {settings.warm_quota_mib} MiB",
            "Raise warm_quota_mib in the settings.",
        )
    return key


def _made(
    settings: Settings, host: Host, recipe: Recipe, facts: dict[str, str], progress: Progress
) -> tuple[WarmState, Path]:
    store, maker = WarmStore(settings.warm), Host(host.hypervisor, settings.data, settings.warm / "making")
    machine_id = new_entry_id()
    draft = settings.warm / f".draft-{machine_id}"
    assert store.making == maker.folders
    try:
        with maker.new_folder(machine_id) as folder, _undone(maker, machine_id):
            claim(settings, maker, folder, recipe.shape)
            spec = _waiting_spec(settings, recipe, folder)
            maker.define_and_start(spec, progress)
            jupyter = _await_warm(maker, machine_id, progress)
            progress.stage("save", "Saving its memory")
            draft.mkdir(mode=0o700)
            frozen = freeze(maker, machine_id, draft / "memory", draft / "scratch.qcow2")
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return WarmState(
        facts=facts,
        release=recipe.release,
        shape=recipe.shape,
        accelerator=recipe.accelerator,
        network=frozen.network,
        memory=file_of(frozen.memory, frozen.memory_sha256),
        scratch=file_of(frozen.scratch, frozen.scratch_sha256),
        created=now,
        jupyter=jupyter,
    ), draft


@contextmanager
def _undone(maker: Host, machine_id: str) -> Iterator[None]:
    """Delete the machine where the ``with`` fails, before its claim on memory ends: somebody may wait for that."""
    try:
        yield
    except BaseException:
        maker.delete(machine_id)
        raise


def _waiting_spec(settings: Settings, recipe: Recipe, folder: Path) -> MachineSpec:
    place, context = folder / "place.iso", folder / "context.iso"
    write_place(place)
    config = GuestConfig(token="", machine=folder.name, hostname="vml-warm", warm=True)
    write_context_iso(context, recipe.user_data(settings), recipe.pickup(settings, config), folder.name)
    return MachineSpec(
        id=folder.name,
        entry="",
        release=recipe.release,
        folder=folder,
        image=recipe.image,
        image_is_cd=kind_of(recipe.image) == ISO,
        image_is_root=recipe.release.is_cloud,
        context_iso=context,
        shape=recipe.shape,
        title=f"warm state of {recipe.release.label}",
        accelerator=recipe.accelerator,
        area_path=place,
    )


def _await_warm(host: Host, machine_id: str, progress: Progress) -> bool:
    """Wait until a machine is ready for anybody; tell whether its Jupyter runs already."""
    spec = host.spec(machine_id)
    progress.stage("ready", f"Waiting for {spec.release.label} and its Jupyter")
    agent, deadline = AgentClient(spec.agent_socket), time.monotonic() + _WARM_S
    while True:
        progress.advance(0)  # a chance to cancel
        with suppress(MachineGone, Foreign):
            state = agent.state(_ANSWER_S)
            wrong = mismatch(spec.release, state.release)
            if state.stage == "warm" and not wrong:
                spec.ready.touch(mode=0o600)
                return not state.detail
            if state.stage == "warm":
                raise MachineNotReady(f"the machine came up {wrong}", "The image does not heed its pin.")
            if state.stage == "failed":
                raise MachineNotReady(f"the machine gave up: {state.detail}")
        if time.monotonic() > deadline or not host.is_active(machine_id):
            raise MachineNotReady(
                "the machine that was to be kept warm did not come up",
                "Its console may tell why.",
                host.console_tail(machine_id),
            )
        time.sleep(0.2)  # the guest tells nothing by itself


class _GivesWay:
    """Pass progress on, and cancel when somebody wants the memory for a machine that he waits for."""

    def __init__(self, settings: Settings, inner: Progress) -> None:
        self._settings, self._inner, self._since = settings, inner, time.time()

    def stage(self, name: str, title: str) -> None:
        self._look()
        self._inner.stage(name, title)

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self._look()
        self._inner.advance(done, total, unit)

    def note(self, text: str) -> None:
        self._inner.note(text)

    def _look(self) -> None:
        if making_gives_way(self._settings, self._since):
            raise Cancelled("a machine that somebody waits for needs the memory")
