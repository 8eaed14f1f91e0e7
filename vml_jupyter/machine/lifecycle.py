"""The steps of a machine's life that take several things at once, each undone if a later one fails.

bring_up    network -> record -> description -> domain runs
shut_down   ask the guest, wait, and see
forget      domain ends -> its definition, saved memory and log go
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from vml_jupyter.errors import MachineError, MachineRefused, PortTaken
from vml_jupyter.machine import companion
from vml_jupyter.machine.domain_xml import domain_xml
from vml_jupyter.machine.host import Domain, Hypervisor
from vml_jupyter.machine.logs import remove_domain_log
from vml_jupyter.machine.network import COMPANION, Network, start_network, stop_network
from vml_jupyter.machine.spec import MachineSpec, save_spec
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.progress import Progress

_PORT_TRIES = 3
AREA = "area"
_LOST = {COMPANION: "its network has ended, so nobody reaches it", AREA: "nobody serves its working area"}
_STOPPED = {"paused": "suspended", "saved": "suspended", "off": "stopped"}


def bring_up(hypervisor: Hypervisor, spec: MachineSpec, undo: ExitStack, progress: Progress) -> MachineSpec:
    """Start a machine that is defined anew each time; what this makes is undone by ``undo``.

    Returns:
        The machine with the port and the network it got.

    Raises:
        PortTaken, HostError: There is no network for it.
        MachineRefused: libvirt would not.
    """
    spec.sockets.mkdir(mode=0o700, exist_ok=True)
    spec.ready.unlink(missing_ok=True)
    undo.callback(stop_network, spec.folder)
    for _ in range(_PORT_TRIES):
        network = network_of(spec, progress)
        there = placed(spec, network)
        save_spec(there)
        hypervisor.define(domain_xml(there, network))
        try:
            hypervisor.start(there.name)
        except MachineRefused as error:
            # slirp takes its port only now, so that another program may have been faster
            if "host forwarding" not in error.message:
                raise
        else:
            return there
    raise PortTaken("no free port on 127.0.0.1 was to be had", "Try again.")


def shut_down(
    hypervisor: Hypervisor, name: str, patience_s: float, ask: Callable[[], None] | None = None
) -> None:
    """Ask a guest to power itself off, and give it time; it may still run afterwards."""
    try:
        hypervisor.shut_down(name)
        if ask is not None:
            ask()
    except MachineError:
        return  # it cannot be asked, or has gone meanwhile
    wait_until(lambda: not is_active(hypervisor.find(name)), patience_s)


def forget(hypervisor: Hypervisor, name: str) -> None:
    """End a domain of ours and remove all that libvirt keeps of it; nothing happens where there is none."""
    domain = hypervisor.find(name)
    if domain is None:
        return
    if is_active(domain):
        hypervisor.destroy(name)
    hypervisor.undefine(name)
    remove_domain_log(name)


def is_active(domain: Domain | None) -> bool:
    """Tell whether a domain's processor is there, running or paused."""
    return domain is not None and domain.state in ("active", "paused")


def machine_state(domain: Domain, spec: MachineSpec) -> tuple[str, str]:
    """Return what people are told of a domain, and why it is ``broken`` where it is.

    The state is ``starting``, ``running``, ``stopped``, ``suspended`` or ``broken``.
    """
    if not spec.folder.is_dir():
        return "broken", "its folder is gone: delete it, and restore the entry again"
    if domain.state != "active":
        known = _STOPPED.get(domain.state, "broken")
        return known, "" if known != "broken" else f"it {domain.state}: stop it, then start it again"
    if lost := lost_companion(spec):
        return "broken", f"{_LOST[lost]}: resuming it mends that"
    return ("running" if spec.ready.exists() else "starting"), ""


def lost_companion(spec: MachineSpec) -> str:
    """Return which of the processes beside a running machine has ended: ``net``, ``area``, or '' for none."""
    # passt cannot be joined again by a QEMU that runs, the server of the area only on the port that QEMU knows.
    if spec.network == "passt" and not companion.is_running(spec.folder, COMPANION):
        return COMPANION
    if spec.area_url and not companion.is_running(spec.folder, AREA):
        return AREA
    return ""


def network_of(spec: MachineSpec, progress: Progress) -> Network | None:
    """Start a machine's network; None for a machine without one."""
    if spec.network == "none":
        return None
    return start_network(spec.folder, spec.network_socket, spec.port, spec.network, progress)


def placed(spec: MachineSpec, network: Network | None) -> MachineSpec:
    """Return the machine with the port and the kind of network it got."""
    if network is None:
        return msgspec.structs.replace(spec, port=0, network="none")
    return msgspec.structs.replace(spec, port=network.port, network=network.kind)
