"""A VML VM that runs: its image, a data disk, QEMU with the network of the manual's one line. For the bench, too."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from vml_jupyter.machine.domain_xml import cpu_model

QEMU = "qemu-system-x86_64"
# Emulated, OpenSSL's code for AVX2 hashes 14 MiB/s, its older code 40: a gigabyte of CernVM is hashed several times.
CPU = f"{cpu_model('tcg')},avx2=off"
_CREDENTIAL = "name=opt/io.systemd.credentials/vml.environment,string="
_TOKEN = re.compile(r"with this token:\s+([0-9a-f]{48})")

VIRTIO = ("-drive", "file={system},if=virtio", "-drive", "file={data},if=virtio")
SATA = (
    *(
        "-machine",
        "q35",
        "-drive",
        "file={system},if=none,id=system",
        "-drive",
        "file={data},if=none,id=data",
    ),
    *("-device", "ide-hd,drive=system,bus=ide.0", "-device", "ide-hd,drive=data,bus=ide.1"),
)
"""As VirtualBox has it."""
IDE = ("-drive", "file={system},if=ide", "-drive", "file={data},if=ide")


@dataclass
class VmlVm:
    """One with its disks, off at first.

    Args:
        system: Its system's disk.
        data: The disk of what it keeps.
        console: What its serial console says is written here.
        environment: VML's variables, as whoever starts it may give them.
        disks: QEMU's words for the disks.
        card: The network card.
    """

    system: Path
    data: Path
    console: Path
    environment: str = ""
    disks: Sequence[str] = VIRTIO
    card: str = "virtio-net-pci"
    port: int = field(default_factory=lambda: _port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def on(self) -> None:
        """Start it; where its plug was pulled, on the same port with the same disks."""
        command = [QEMU, "-accel", "tcg", "-cpu", CPU, "-smp", "2", "-m", "2048", "-nodefaults"]
        command += ["-display", "none", "-vga", "std", "-serial", f"file:{self.console}"]
        command += [word.format(system=self.system, data=self.data) for word in self.disks]
        command += ["-nic", f"user,model={self.card},hostfwd=tcp:127.0.0.1:{self.port}-:8888"]
        if self.environment:
            command += ["-fw_cfg", _CREDENTIAL + self.environment.replace(",", ",,")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def off(self) -> None:
        """Pull the plug."""
        if self.process:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def answers(self, path: str = "api") -> bool:
        """Tell whether a page of it can be had."""
        assert self.process, "its plug is pulled"
        assert self.process.poll() is None, "QEMU ended"
        try:
            return requests.get(self.url + path, timeout=5).ok
        except requests.RequestException:
            return False

    def said(self) -> str:
        return self.console.read_text("utf-8", "replace") if self.console.exists() else ""

    def token(self) -> str:
        """Return what the console shows, as its user would read it; '' while it does not."""
        found = _TOKEN.search(self.said())
        return found[1] if found else ""


def _port() -> int:
    """Return a free port that is also free after a while: no connection gets one of these by chance."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free between 20000 and 30000")


def until(holds: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"{what}: not within {patience_s} s"
        time.sleep(0.2)
    return found


def new_disk(path: Path, size: str, backing: Path | None = None) -> Path:
    """Make a disk; over another one it holds only what differs."""
    below = ["-b", str(backing), "-F", "qcow2"] if backing else []
    command = ["qemu-img", "create", "-q", "-f", "qcow2", *below, str(path), *([] if backing else [size])]
    subprocess.run(command, check=True)
    return path


@contextmanager
def running(
    system: Path,
    data: Path,
    console: Path,
    environment: str = "",
    disks: Sequence[str] = VIRTIO,
    card: str = "virtio-net-pci",
) -> Iterator[VmlVm]:
    """Run a VML VM under emulation until the ``with`` block ends."""
    vm = VmlVm(system, data, console, environment, disks, card)
    vm.on()
    try:
        yield vm
    finally:
        vm.off()
