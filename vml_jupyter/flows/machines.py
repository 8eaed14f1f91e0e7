"""What can be done with machines once they are there: list, find, open, start, stop, delete.

How they rest is in ``life``, their standard snapshots are in ``standard``.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from vml_jupyter.errors import Foreign, MachineGone, MachineRefused, Usage
from vml_jupyter.flows import areas
from vml_jupyter.flows.limits import admitted
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient, GuestRelease, wait_ready
from vml_jupyter.guest.client import shown
from vml_jupyter.machine import Host, MachineSpec
from vml_jupyter.model import Machine, Release
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:  # imported where it is used: no other verb needs notebooks
    import nbformat

_GLANCE_S = 0.5
# Beside mini and micro-CernVM: udev, and four times a Python for cloud-init before anything of ours runs.
_CLOUD_FACTOR = 2
# What a guest tells is compared where it is one at all: its files may hold anything.
_HASH = re.compile(r"[0-9a-f]{40}(-rmd160|-shake128)?")
_BOOTLOADER = re.compile(r"\d+\.\d+-\d+")


def list_machines(settings: Settings) -> list[Machine]:
    """Return the machines that VML made here, newest first, each with its address while it runs."""
    if not settings.machines.is_dir():
        return []
    with connected(settings) as host:
        found = [addressed(host, noticed(host, machine)) for machine in host.machines()]
    return [with_arrival(settings, machine) for machine in found]


def find_machine(settings: Settings, machine_id: str) -> Machine:
    """Return the machine with this id or unambiguous beginning of an id.

    Raises:
        NotFound, Ambiguous: There is none, or several.
    """
    with connected(settings) as host:
        return addressed(host, noticed(host, host.get(machine_id)))


def console(settings: Settings, machine_id: str, lines: int) -> str:
    """Return the last lines that a machine wrote to its serial console, as plain text; '' where it wrote none.

    Raises:
        NotFound, Ambiguous: There is no such machine.
    """
    with connected(settings) as host:
        return host.console_tail(host.get(machine_id).id, lines)


def machine_token(settings: Settings, machine_id: str) -> str:
    """Return the token of a machine's own Jupyter; never to be logged."""
    with connected(settings) as host:
        return host.spec(machine_id).token


def start(settings: Settings, machine_id: str, progress: Progress = SILENT) -> Machine:
    """Start a stopped machine again, with all that was written in it, and wait until it answers.

    A suspended one is resumed, and one that runs but is broken is mended.

    Raises:
        MachineRefused: It runs already.
        LimitReached: Too many machines run, or too much memory is theirs.
    """
    with connected(settings) as host:
        machine = host.get(machine_id)
        if machine.state == "suspended" or (machine.state == "broken" and host.is_active(machine.id)):
            from vml_jupyter.flows.life import resume

            return resume(settings, machine.id, progress)
        spec = host.spec(machine.id)
        with admitted(settings, host, machine.id, spec.shape):
            progress.stage("start", f"Starting {machine.release.label}")
            host.start(machine.id, serve=lambda: serve_again(settings, spec), progress=progress)
        return addressed(host, await_ready(settings, host, machine.id, progress))


def stop(settings: Settings, machine_id: str, progress: Progress = SILENT) -> Machine:
    """Shut a machine down; its disk is kept."""
    with connected(settings) as host:
        machine = host.get(machine_id)
        progress.stage("stop", f"Shutting down {machine.id}")
        host.stop(machine.id, ask=AgentClient(host.spec(machine.id).agent_socket).shut_down)
        return host.get(machine.id)


def delete(settings: Settings, machine_id: str, progress: Progress = SILENT) -> Machine:
    """Remove a machine and all that belongs to it; its entry and its release image stay."""
    with connected(settings) as host:
        machine = host.get(machine_id)
        progress.stage("delete", f"Deleting {machine.id}")
        host.delete(machine.id)
        return machine


def execute(
    settings: Settings, machine_id: str, notebook: str, timeout_s: float = 900.0, progress: Progress = SILENT
) -> nbformat.NotebookNode:
    """Execute a notebook inside a machine and return it with its outputs; nothing is saved.

    Raises:
        MachineError: A cell failed, or the machine did not answer.
        ToolMissing: jupyter-kernel-client is not installed.
    """
    from vml_jupyter.guest.notebook import execute_notebook

    with connected(settings) as host:
        spec = host.spec(host.get(machine_id).id)
    progress.stage("execute", f"Executing {notebook} inside {spec.release.label}")
    url = f"http://127.0.0.1:{spec.port}{spec.base_url}"
    return execute_notebook(url, spec.token, notebook, timeout_s, progress=progress)


def run(settings: Settings, machine_id: str, code: str, timeout_s: float = 300.0) -> str:
    """Run code in the kernel of a machine's notebook and return what it printed.

    Raises:
        MachineError: It failed, or the machine did not answer.
        Usage: The machine has no notebook.
        ToolMissing: jupyter-kernel-client is not installed.
    """
    from vml_jupyter.guest.notebook import run_code

    with connected(settings) as host:
        spec = host.spec(host.get(machine_id).id)
    if not spec.notebook:
        raise Usage(f"the machine {spec.id} has no notebook", "Take the snapshot with a notebook.")
    url = f"http://127.0.0.1:{spec.port}{spec.base_url}"
    return run_code(url, spec.token, spec.notebook, code, timeout_s)


def await_ready(settings: Settings, host: Host, machine_id: str, progress: Progress) -> Machine:
    """Wait until the machine's agent and Jupyter answer, and it says that it is what it was made to be.

    Raises:
        MachineNotReady: They did not in time; carries the console's last lines.
        MachineRefused: It came up as another release, or as another revision of it, or by another bootloader.
    """
    spec = host.spec(machine_id)
    progress.stage("ready", f"Waiting for {spec.release.label} and its Jupyter")
    agent = AgentClient(spec.agent_socket)
    state = wait_ready(
        agent,
        port=spec.port,
        base_url=spec.base_url,
        token=spec.token,
        timeout_s=settings.ready_timeout_s * (_CLOUD_FACTOR if _is_slow(spec) else 1),
        alive=lambda: host.is_active(machine_id),
        console=lambda: host.console_tail(machine_id),
        progress=progress,
    )
    wrong = mismatch(spec.release, state.release)
    if wrong:
        raise MachineRefused(
            f"the machine came up {wrong}",
            "The image does not heed its pin, or the system was published anew; choose another with --release.",
        )
    if spec.release.is_micro and not (state.release.system or state.release.root_hash):
        progress.note(
            f"the machine does not say which CernVM it is: whether it is {spec.release.label} is not known"
        )
    with suppress(MachineGone, Foreign):  # only a head start
        agent.start_kernel()
    if state.area == "copy":
        progress.note("the machine has no overlay file system: the working area was copied into it")
    return host.mark_ready(machine_id)


def noticed(host: Host, machine: Machine) -> Machine:
    """Return a starting machine as ``running`` where it has come up though nobody waits for it any more.

    Whoever started it may have been killed meanwhile.
    """
    if machine.state != "starting":
        return machine
    spec = host.spec(machine.id)
    agent = AgentClient(spec.agent_socket)
    with suppress(MachineGone, Foreign):
        state = agent.state(_GLANCE_S)
        if state.stage == "ready" and not mismatch(spec.release, state.release):
            agent.set_clock(time.time())
            return host.mark_ready(machine.id)
    return machine


def _is_slow(spec: MachineSpec) -> bool:
    return spec.release.is_cloud and spec.accelerator != "kvm"


def mismatch(release: Release, told: GuestRelease) -> str:
    """Return in what a machine is not the release that it was made as: ``as CernVM 4.5.1.0, not as CernVM 4.5.0.1``.

    '' where nothing differs that both are known for: an entry may not have recorded all, and an ordinary cloud image
    tells nothing.
    """
    if told.system not in ("", release.system):
        return f"as CernVM {shown(told.system)}, not as {release.label}"
    root_hash = told.root_hash if _HASH.fullmatch(told.root_hash) else ""
    bootloader = told.bootloader if _BOOTLOADER.fullmatch(told.bootloader) else ""
    for what, wanted, found in (
        ("root hash", release.root_hash, root_hash),
        ("bootloader", release.bootloader, bootloader),
    ):
        if wanted and found and wanted != found:
            return f"as {release.label} with {what} {found}, not {wanted}"
    return ""


def address(machine: Machine, token: str) -> str:
    """Return where a browser on this host opens the machine's notebook, on an origin of the machine's own."""
    page = f"lab/tree/{quote(machine.notebook)}" if machine.notebook else "lab"
    return (
        f"http://{machine.id}.localhost:{machine.port}{machine.base_url}{page}?{urlencode({'token': token})}"
    )


def serve_again(settings: Settings, spec: MachineSpec) -> str:
    """Serve a machine's working area again, where it was if that is free; return '' where it is not served."""
    if not spec.area_url:
        return ""
    token, url = spec.area_cookie.partition("=")[2], urlsplit(spec.area_url)
    by_socket = url.scheme.startswith("nbd")
    areas.begin(
        settings,
        spec.folder,
        spec.id,
        areas.source_of(spec.folder),
        token=token,
        port=url.port or 0,
        socket=areas.socket_of(settings, spec.id) if by_socket else "",
    )
    return areas.disk_url(spec.folder)


def with_arrival(settings: Settings, machine: Machine) -> Machine:
    """Return a machine and how much of its working area has come over."""
    return msgspec.structs.replace(machine, arrival=areas.arrival(settings.machines / machine.id))


def addressed(host: Host, machine: Machine) -> Machine:
    if machine.state != "running":
        return machine
    return msgspec.structs.replace(machine, url=address(machine, host.spec(machine.id).token))


def connected(settings: Settings) -> Host:
    """Connect to the user's hypervisor."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return Host.connect(settings.libvirt_uri, settings.data)
