"""The ways from an entry to its notebook that ``make bench-restore`` compares; each gives its seconds.

    by hand     qemu-system-x86_64 -drive image -drive scratch -cdrom context -nic user,hostfwd ...
    libvirt     the warm state's memory by libvirt alone, until its agent answers; no working area, no Jupyter
    cold        vml restore without warm states
    shell       vml restore from one
    warm        the same by a click: JupyterLab's server runs, and gets the request that the button sends
    ahead       the same, while what the notebook read last time is fetched ahead

``vml restore`` is the whole process from the shell. ``jupyter`` is when the notebook's content comes, ``cell`` when
its first cell, which imports numpy, has been executed: not when its kernel has ended again.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import requests
from lab_server import Lab

from bench.restore_areas import NOTEBOOK
from vml_jupyter.context import user_data, write_context_iso
from vml_jupyter.errors import Foreign, MachineGone
from vml_jupyter.flows import machines, warming
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import AgentClient, GuestConfig, pickup
from vml_jupyter.guest.notebook import _connected, _Jupyter
from vml_jupyter.machine import Host, MachineSpec, awaken, probe_accelerator, write_place
from vml_jupyter.machine.warm_store import frozen_in
from vml_jupyter.model import Entry, new_entry_id
from vml_jupyter.progress import SILENT
from vml_jupyter.snapshot.image import AreaImage

DEADLINE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run in seconds; ``read_bytes`` is what the area's server read since it began to serve."""

    jupyter: float
    cell: float = 0.0
    read_bytes: int = 0


def by_shell(settings: Settings, entry: Entry, *, warm: bool) -> Run:
    """Restore by the command line, cold or warm, and execute the notebook."""
    begun, told = vml_restore(settings, entry, warm=warm)
    return executed(settings, begun, told, warm=warm)


def vml_restore(settings: Settings, entry: Entry, *, warm: bool) -> tuple[float, dict[str, Any]]:
    """Restore by the command line; return when that began, and what it told."""
    forget_what_was_read(settings)
    environ = environ_of(settings, warm=warm)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vml_jupyter.cli.main", "restore", entry.id, "--json"],
        env=environ, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return begun, json.loads(done.stdout)


def by_click(settings: Settings, lab: Lab, entry: Entry, *, ahead: bool = False) -> Run:
    """Restore from a warm state by JupyterLab's server, and execute the notebook."""
    if not ahead:
        forget_what_was_read(settings)
    elif not is_something_read(settings):
        raise SystemExit("nothing is remembered of what the notebook read")
    with requests.Session() as session:
        session.headers["Authorization"] = f"token {lab.token}"
        begun = time.monotonic()
        answer = session.post(f"{lab.url}vml/api/entries/{entry.id}/restore", json={}, timeout=60)
        answer.raise_for_status()
        job = answer.json()["job"]
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)  # a page hears of the end by an event, at once
            job = session.get(f"{lab.url}vml/api/jobs/{job['id']}", timeout=60).json()["job"]
    if job["state"] != "done":
        raise SystemExit(f"a restore ended as {job}")
    return executed(settings, begun, job["result"], warm=True)


def executed(settings: Settings, begun: float, told: dict[str, Any], *, warm: bool) -> Run:
    """Wait for the notebook of a machine that came up, execute its first cell, and delete the machine."""
    if told["warm"] != warm:
        raise SystemExit(f"a restore that was to be {'warm' if warm else 'cold'} was not")
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        spec = host.spec(told["machine"])
    try:
        await_content(spec.port, spec.token, spec.folder)
        jupyter = time.monotonic() - begun
        read = read_by(spec.folder)
        cell = begun_to_first_cell(spec, begun)
        return Run(jupyter=jupyter, cell=cell, read_bytes=read)
    finally:
        machines.delete(settings, spec.id)


def environ_of(settings: Settings, *, warm: bool = True) -> dict[str, str]:
    """Return the environment of a program that is to see what the bench made."""
    return {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": " ".join(settings.release_urls),
        "VML_WARM_QUOTA_MIB": "8192" if warm else "0",
    }


def is_something_read(settings: Settings) -> bool:
    opened = settings.cache / "images" / "opened"
    return opened.is_dir() and any(opened.iterdir())


def forget_what_was_read(settings: Settings) -> None:
    shutil.rmtree(settings.cache / "images" / "opened", ignore_errors=True)


def begun_to_first_cell(spec: MachineSpec, begun: float) -> float:
    """Execute the notebook's first cell in a kernel of its own; return how long after ``begun`` that was done."""
    url = f"http://127.0.0.1:{spec.port}"
    jupyter = _Jupyter(url, spec.token)
    [cell, *_] = [cell for cell in jupyter.read(NOTEBOOK).cells if cell.cell_type == "code"]
    with (
        jupyter.session(NOTEBOOK, "python3") as kernel_id,
        _connected(f"{url}/", spec.token, kernel_id) as kernel,
    ):
        reply = kernel.execute(cell.source, timeout=DEADLINE_S)
        seconds = time.monotonic() - begun
    if reply["status"] != "ok":
        raise SystemExit(f"the first cell failed: {reply['outputs']}")
    return seconds


def by_libvirt(settings: Settings) -> Run:
    """Bring the warm state's memory back, with nothing of a restore around it."""
    [kept, *_] = warming.states(settings)
    frozen = frozen_in(settings.warm / kept.key, kept.state)
    machine_id = new_entry_id()
    with Host.connect(settings.libvirt_uri, settings.data) as host, host.new_folder(machine_id) as folder:
        write_place(folder / "place.iso")
        (folder / "context.iso").write_bytes(bytes(1 << 16))
        spec = MachineSpec(
            id=machine_id,
            entry="",
            release=kept.state.release,
            folder=folder,
            image=provide(settings, kept.state.release),
            context_iso=folder / "context.iso",
            shape=kept.state.shape,
            accelerator=kept.state.accelerator,
            area_path=folder / "place.iso",
        )
        try:
            begun = time.monotonic()
            agent = AgentClient(awaken(host, spec, frozen).agent_socket)
            while True:
                try:
                    agent.state(1.0)
                except (MachineGone, Foreign):
                    if time.monotonic() - begun > DEADLINE_S:
                        raise
                else:
                    return Run(jupyter=time.monotonic() - begun)
        finally:
            host.delete(machine_id)


def by_hand(settings: Settings, entry: Entry, folder: Path) -> Run:
    """Start the same image with the same context by a QEMU command as one would write it."""
    own = folder / f"hand-{secrets.token_hex(4)}"
    own.mkdir()
    release = release_of(settings, entry, None)
    token = secrets.token_hex(16)
    config = GuestConfig(
        token=token, machine=new_entry_id(), entry=entry.id, notebook=entry.notebook,
        hostname="by-hand", release=release.label,
    )  # fmt: skip
    write_context_iso(own / "context.iso", user_data(release), pickup(config), config.machine)
    with opened(settings) as logbook:
        AreaImage(logbook.repository, logbook.area_tree(entry)).write(own / "area.iso", SILENT)
    image = provide(settings, release)
    accelerator = probe_accelerator(settings.cache)
    port = free_port()
    command = [
        "qemu-system-x86_64", "-machine", "q35", "-accel", accelerator.name, "-cpu", accelerator.cpu_model,
        "-smp", str(settings.shape.cpus), "-m", str(settings.shape.memory_mib),
        "-display", "none", "-serial", f"file:{own}/console.log",
        "-drive", f"file={image},format=raw,if=virtio,readonly=on",
        "-drive", f"file={own}/scratch.qcow2,format=qcow2,if=virtio",
        "-drive", f"file={own}/area.iso,format=raw,if=virtio,readonly=on",
        "-cdrom", f"{own}/context.iso",
        "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:8888",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip
    begun = time.monotonic()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", f"{own}/scratch.qcow2", "20G"], check=True)
    process = subprocess.Popen(command)
    try:
        await_content(port, token, own)
        return Run(jupyter=time.monotonic() - begun)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(own)


def await_content(port: int, token: str, folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            headers = {"Authorization": f"token {token}"}
            answer = requests.get(
                f"http://127.0.0.1:{port}/api/contents/{NOTEBOOK}", headers=headers, timeout=5
            )
            if answer.ok and answer.json()["content"]:
                return
        except (requests.RequestException, ValueError):
            pass
        time.sleep(0.1)
    raise SystemExit(f"a machine never answered:\n{(folder / 'console.log').read_text()[-2000:]}")


def read_by(folder: Path) -> int:
    """Return how many bytes the server of a machine's working area has read, its own code and the index included."""
    pid = msgspec.json.decode((folder / "area.pid").read_bytes())["pid"]
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
