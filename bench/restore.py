"""A cold restore beside a hand-written QEMU boot of the same image: ``make bench-restore``.

Both start from nothing and end when Jupyter in the guest answers with its token, in turn, in one run:

    by hand     qemu-system-x86_64 -drive image -drive scratch -cdrom context -nic user,hostfwd ...
    vml         vml restore ENTRY, the whole process from the shell to its end

The figure is the ratio of the medians. Prints a table; ``--runs N`` sets how often (default 3).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests

from vml_jupyter.context import user_data, write_context_iso
from vml_jupyter.flows import capture, machines
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.guest import GuestConfig, pickup
from vml_jupyter.machine import probe_accelerator
from vml_jupyter.model import Entry, new_entry_id
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served
from vml_jupyter.snapshot.image import AreaImage

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
LIMIT = 1.25
DEADLINE_S = 300.0


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=3)
    runs = arguments.parse_args().runs
    with (
        tempfile.TemporaryDirectory(prefix="vml-bench-") as name,
        served(mini.build(load().data, SILENT)) as url,
    ):
        settings = bench_settings(Path(name), url)
        entry = captured(settings, Path(name))
        provide(settings, release_of(settings, entry, None))
        times: dict[str, list[float]] = {"by hand": [], "vml": []}
        for _ in range(runs):
            times["by hand"].append(boot_by_hand(settings, entry, Path(name)))
            times["vml"].append(boot_by_vml(settings, entry))
    return report(times)


def report(times: dict[str, list[float]]) -> int:
    """Print the table; fail when the ratio is over the limit."""
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}; seconds to Jupyter answering"
    )
    for name, values in times.items():
        each = "  ".join(f"{value:6.1f}" for value in values)
        print(f"  {name:<8} median {statistics.median(values):6.1f}   runs {each}")
    ratio = statistics.median(times["vml"]) / statistics.median(times["by hand"])
    print(f"  ratio    {ratio:6.2f}   (at most {LIMIT})")
    return 0 if ratio <= LIMIT else 1


def bench_settings(folder: Path, url: str) -> Settings:
    environ = {
        "VML_DATA": str(folder / "data"),
        "VML_CONFIG": str(folder / "config"),
        "VML_RELEASE_URLS": url,
    }
    return load(environ)


def captured(settings: Settings, folder: Path) -> Entry:
    area = folder / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    return capture.capture(settings, area, notebook="dimuon.ipynb", release="4.5.0.1")


def boot_by_vml(settings: Settings, entry: Entry) -> float:
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_RELEASE_URLS": " ".join(settings.release_urls),
    }
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "vml_jupyter.cli.main", "restore", entry.id, "--json"],
        env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    seconds = time.monotonic() - begun
    machines.delete(settings, json.loads(done.stdout)["machine"])
    return seconds


def boot_by_hand(settings: Settings, entry: Entry, folder: Path) -> float:
    """Start the same image with the same context by a QEMU command as one would write it."""
    own = folder / f"hand-{secrets.token_hex(4)}"
    own.mkdir()
    release = release_of(settings, entry, None)
    token = secrets.token_hex(16)
    write_context_iso(
        own / "context.iso",
        user_data(release),
        pickup(guest(entry, release.label, token)),
        new_entry_id(),
    )
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
        await_jupyter(port, token, own)
        return time.monotonic() - begun
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(own)


def guest(entry: Entry, label: str, token: str) -> GuestConfig:
    return GuestConfig(
        token=token,
        machine=new_entry_id(),
        entry=entry.id,
        notebook=entry.notebook,
        hostname="by-hand",
        release=label,
    )


def await_jupyter(port: int, token: str, folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            headers = {"Authorization": f"token {token}"}
            answer = requests.get(
                f"http://127.0.0.1:{port}/api/contents/dimuon.ipynb?content=0", headers=headers, timeout=2
            )
            if answer.ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.1)
    raise SystemExit(
        f"the machine started by hand never answered:\n{(folder / 'console.log').read_text()[-2000:]}"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
