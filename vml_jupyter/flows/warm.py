"""Warm states: a machine of a release, saved when it was ready for anybody, from which others are made in seconds.

    warm state -> machine with its own disk, sockets and name -> told who it is -> ready

``warming`` makes them. A state serves the same release, pins, shape, processor, versions of the hypervisor, network
and agent that it was made with, and nothing else: what differs in one of these has a key of its own. Where anything
goes wrong with one it is removed, the restore goes on cold, and says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from vml_jupyter.context import client_files, unpack_pickup, user_data
from vml_jupyter.errors import (
    Foreign,
    HostError,
    MachineError,
    MachineGone,
    MachineNotReady,
)
from vml_jupyter.flows.added import setup_of
from vml_jupyter.flows.machines import await_ready
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AGENT_UNIT, AgentClient, GuestConfig, pickup
from vml_jupyter.machine import Host, MachineSpec, awaken
from vml_jupyter.machine.network import name_servers
from vml_jupyter.machine.session import SESSION
from vml_jupyter.machine.warm_store import WarmStore, key_of
from vml_jupyter.model import Machine, Pin, Release, Shape
from vml_jupyter.progress import Progress
from vml_jupyter.release import digest

_ADOPT_S = 60.0
_ANSWER_S = 1.0
_READY_S = 90.0
_WARM_S = 600.0
_EVERY_S = 0.05


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """All that a machine is made of before it is anybody's."""

    release: Release
    pins: tuple[Pin, ...]
    image: Path
    shape: Shape
    accelerator: str

    def user_data(self, settings: Settings) -> bytes:
        cloud_config = unpack_pickup(AGENT_UNIT) if self.release.is_cloud else ""
        return user_data(self.release, settings.context, pins=self.pins, cloud_config=cloud_config)

    def pickup(self, settings: Settings, config: GuestConfig) -> bytes:
        return pickup(config, client_files(self.pins), setup_of(settings, self.release))

    def facts(self, settings: Settings, host: Host) -> dict[str, str]:
        """Return what a warm state must have been made for to serve; each word of it counts."""
        libvirt, qemu = host.hypervisor.versions()
        told = hashlib.sha256(self.user_data(settings))
        told.update(self.pickup(settings, GuestConfig(token="", machine="", warm=True)))
        return {
            # The scratch disk of a cloud image lies over it, and names it by its path.
            "image": digest(self.image, settings.cache) + (f" {self.image}" if self.release.is_cloud else ""),
            "release": self.release.label,
            "pins": " ".join(f"{pin.fqrn}={pin.root_hash or pin.tag}" for pin in self.pins),
            "shape": json.dumps(msgspec.to_builtins(self.shape), sort_keys=True),
            "processor": f"{self.accelerator} {_processor() if self.accelerator == 'kvm' else 'max'}",
            "hypervisor": f"{host.hypervisor.uri} libvirt {libvirt} QEMU {qemu}",
            "network": " ".join([str(bool(shutil.which("passt"))), _own_address(), *name_servers()]),
            "told": told.hexdigest(),
        }


def can_keep_warm(settings: Settings) -> bool:
    """Tell whether machines are kept warm here: only the user's own hypervisor on this computer saves files for him."""
    return settings.warm_quota_mib > 0 and settings.libvirt_uri == SESSION


def wake(
    settings: Settings, host: Host, spec: MachineSpec, recipe: Recipe, config: GuestConfig, progress: Progress
) -> Machine | None:
    """Make a machine from the warm state that fits, if there is one.

    Args:
        settings: Where warm states are.
        host: The hypervisor.
        spec: The machine, whose folder exists and whose working area is served.
        recipe: What it is made of.
        config: What its agent is to know.
        progress: Hears why not, where there is one that could not be used.

    Returns:
        The running machine; None where it has to be booted, and then nothing of it is left but its folder.
    """
    if not can_keep_warm(settings):
        return None
    store, facts = WarmStore(settings.warm), recipe.facts(settings, host)
    frozen, why = store.find(facts)
    if why:
        progress.note(f"the warm state of {recipe.release.label} was removed: {why}")
    if frozen is None:
        return None
    progress.stage("wake", f"Waking {recipe.release.label} from its warm state")
    try:
        awaken(host, spec, frozen, progress)
        _adopt(host, spec, config, progress)
        return await_ready(settings.using(ready_timeout_s=_READY_S), host, spec.id, progress)
    except (MachineError, Foreign) as error:
        store.remove(key_of(facts))
        progress.note(f"the warm state could not be used and was removed: {error.message}")
    except HostError as error:
        progress.note(f"the warm state could not be used: {error.message}")
    host.withdraw(spec)
    return None


def _adopt(host: Host, spec: MachineSpec, config: GuestConfig, progress: Progress) -> None:
    agent = AgentClient(spec.agent_socket)
    deadline = time.monotonic() + _ADOPT_S
    while True:
        try:
            agent.adopt(config, time.time(), _ANSWER_S)
            return
        except MachineGone as error:
            if time.monotonic() > deadline or not host.is_active(spec.id):
                raise MachineNotReady(
                    "the machine woke up, but its agent does not answer", error.hint, ""
                ) from error
        except Foreign:  # an answer that was lost: it is adopted already, or waits no more
            return
        progress.advance(0)  # a chance to cancel
        time.sleep(_EVERY_S)  # its agent tells nothing by itself


@contextmanager
def alone(settings: Settings) -> Iterator[bool]:
    """Tell whether nobody else makes a warm state, and keep others from it meanwhile."""
    with (settings.warm / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def sweep(settings: Settings, host: Host) -> None:
    """Clear what a process left that was killed while it made a warm state; its maker holds the lock."""
    maker = Host(host.hypervisor, settings.data, settings.warm / "making")
    for machine in maker.machines():
        maker.delete(machine.id)
    for folder in maker.folders.glob("*"):
        maker.delete(folder.name)
    WarmStore(settings.warm).sweep()


def sweep_if_free(settings: Settings, host: Host) -> None:
    """Do as sweep() where nobody makes a warm state and something is left of one."""
    left = [*settings.warm.glob("making/*"), *settings.warm.glob(".[dg]*-*")]
    if left:
        with alone(settings) as nobody_else:
            if nobody_else:
                sweep(settings, host)


def _processor() -> str:
    """Return this computer's processor model and features, which a machine under KVM sees."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n")[0].splitlines()
        told = [line for line in lines if line.startswith(("model name", "flags", "microcode"))]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    return os.uname().machine


def _own_address() -> str:
    """Return the address from which this computer reaches others, which passt gives to its guest; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "none"
