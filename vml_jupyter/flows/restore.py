"""Restore: find the entry's release, start it as a machine, put the working area in, reopen the notebook.

    entry -> pins there? -> release image -> context -> machine, warm or cold -> working-area disk -> agent ready -> URL

The area server starts as early as it can and in the background, since nothing waits for it until the machine is
defined. Everything that is made on the way is undone if a later step fails.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vml_jupyter.errors import MachineNotReady
from vml_jupyter.flows import areas
from vml_jupyter.flows.chosen import chosen
from vml_jupyter.flows.differences import differences
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.guest_context import guest_config, write_context
from vml_jupyter.flows.limits import claim
from vml_jupyter.flows.machine_area import MachineArea
from vml_jupyter.flows.machines import address, await_ready
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.warm import Recipe, can_keep_warm, sweep_if_free, wake
from vml_jupyter.machine import Host, MachineSpec, probe_accelerator
from vml_jupyter.model import Machine, Shape, new_entry_id
from vml_jupyter.progress import SILENT, Progress, Stopwatch
from vml_jupyter.release import ISO, kind_of


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A machine in which an entry's notebook is open, and what getting there took, in seconds per stage."""

    machine: Machine
    url: str = field(repr=False)  # it holds the machine's key, and notebooks save what they show
    accelerator: str
    warm: bool
    seconds: dict[str, float]
    notes: list[str]
    recipe: Recipe | None = None
    """What a warm state should be made of, so that the next restore is quick; None where there is one."""


def restore(
    settings: Settings,
    entry_id: str,
    *,
    release: str | None = None,
    without_pins: Sequence[str] = (),
    shape: Shape | None = None,
    base_url: str = "/",
    origin: str = "",
    progress: Progress = SILENT,
) -> Restored:
    """Reopen an entry's notebook in a machine of its release.

    Args:
        settings: Where the logbook, images and machines are.
        entry_id: The entry, or the beginning of its id.
        release: Another CernVM version than the recorded one.
        without_pins: Repositories that follow their newest revision instead of the recorded one; ``all`` for all.
        shape: How large the machine is; the user's own default when None.
        base_url: Below which path the guest's Jupyter is reached: ``/``, or a proxy's path; ``{machine}`` in it
            stands for the machine's id, which nobody knows before.
        origin: An origin other than its own from which the guest's Jupyter takes requests; likewise.
        progress: Who listens.

    Raises:
        NotFound: No such entry, or it has no such pin.
        PinGone: What it recorded cannot be had any more; carries what can be asked for instead.
        ReleaseError, HostError, MachineError: What is missing here, with advice; nothing is left of the machine.
    """
    watch = Stopwatch(progress)
    watch.stage("entry", "Reading the entry")
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
        source = areas.source_in(settings, logbook, entry)
    made_of = chosen(settings, entry, release, without_pins, watch)
    wanted, pins, image = made_of.release, made_of.pins, made_of.image
    watch.stage("host", "Looking at this computer")
    accelerator = probe_accelerator(settings.cache)
    if accelerator.name != "kvm":
        watch.note(f"without hardware acceleration, {accelerator.why}")
    machine_id = new_entry_id()
    base_url, origin = (text.replace("{machine}", machine_id) for text in (base_url, origin))
    token, area_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    with _made(settings, machine_id, shape or settings.shape) as (host, folder):
        area = MachineArea(settings, folder, machine_id, source, area_token)
        area.begin()
        watch.stage("context", "Writing what the machine is to know")
        config = guest_config(entry, wanted, machine_id, token, base_url, origin)
        context = write_context(settings, folder, config, wanted, pins)
        spec = MachineSpec(
            id=machine_id,
            entry=entry.id,
            release=wanted,
            folder=folder,
            image=image,
            image_is_cd=kind_of(image) == ISO,
            image_is_root=wanted.is_cloud,
            context_iso=context,
            shape=shape or settings.shape,
            title=entry.title,
            notebook=entry.notebook,
            base_url=base_url,
            accelerator=accelerator.name,
            **area.disk(watch),
            token=token,
            differences=differences(entry.environment, wanted, pins),
        )
        recipe = Recipe(
            release=wanted, pins=pins, image=image, shape=spec.shape, accelerator=spec.accelerator
        )
        machine = wake(settings, host, spec, recipe, config, watch)
        warm = machine is not None
        if machine is None:
            machine = _booted(settings, host, spec, area, watch)
    return Restored(
        machine=machine,
        url=address(machine, token),
        accelerator=accelerator.name,
        warm=warm,
        seconds=watch.seconds(),
        notes=watch.notes,
        recipe=recipe if not warm and can_keep_warm(settings) else None,
    )


def _booted(
    settings: Settings, host: Host, spec: MachineSpec, area: MachineArea, watch: Stopwatch
) -> Machine:
    """Start a machine from its release's image, and wait until it is ready.

    QEMU's emulation crashes once in a hundred starts or so, of the very same machine; then it is started once more.
    """
    if "wake" in watch.seconds():
        # The server of the working area may have ended with the machine that did not wake.
        spec = msgspec.structs.replace(spec, **area.renewed(watch))
    try:
        return _started(settings, host, spec, area, watch)
    except MachineNotReady:
        if not host.has_fallen(spec.id):
            raise
    watch.note("QEMU itself ended abnormally while the machine came up, so the machine was started once more")
    host.withdraw(spec)
    return _started(settings, host, msgspec.structs.replace(spec, **area.renewed(watch)), area, watch)


def _started(
    settings: Settings, host: Host, spec: MachineSpec, area: MachineArea, watch: Stopwatch
) -> Machine:
    area.require()
    watch.stage("start", f"Starting {spec.release.label}")
    host.define_and_start(spec, watch)
    return await_ready(settings, host, spec.id, watch)


@contextmanager
def _made(settings: Settings, machine_id: str, shape: Shape) -> Iterator[tuple[Host, Path]]:
    """Give a connection and the folder of a machine to be; on failure nothing of the machine is left."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        host.sweep()
        sweep_if_free(settings, host)
        with host.new_folder(machine_id) as folder:
            try:
                claim(settings, host, folder, shape)
                yield host, folder
            except BaseException:
                # The machine before what stands beside it: a QEMU without its working area's server is slow to end.
                host.delete(machine_id)
                raise
