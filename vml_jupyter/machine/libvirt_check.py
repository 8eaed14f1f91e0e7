"""Connect to libvirt in a process of its own, because a daemon that hangs would hang who asks.

python -m vml_jupyter.machine.libvirt_check URI DATA   ->   {"libvirt": 9000000, "qemu": 7002022} or {"error", "hint"}
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from vml_jupyter.errors import VmlError
from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.parsing import parse


class LibvirtAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The versions as libvirt counts them (major * 1,000,000 + minor * 1,000 + release), or what is wrong."""

    libvirt: int = 0
    qemu: int = 0
    error: str = ""
    hint: str = ""


def ask_libvirt(uri: str, data: Path, timeout_s: float) -> LibvirtAnswer:
    """Return what the hypervisor at a URI says, within a time limit."""
    command = [sys.executable, "-m", "vml_jupyter.machine.libvirt_check", uri, str(data)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
        return parse(done.stdout, LibvirtAnswer)
    except subprocess.TimeoutExpired:
        return LibvirtAnswer(error=f"libvirt does not answer at {uri} within {timeout_s:.0f} s")
    except msgspec.DecodeError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return LibvirtAnswer(error=f"libvirt cannot be asked: {said[-1] if said else done.returncode}")


def _ask(uri: str, data: Path) -> LibvirtAnswer:
    try:
        with Hypervisor.connect(uri, data) as hypervisor:
            versions = hypervisor.versions()
            return LibvirtAnswer(libvirt=versions[0], qemu=versions[1])
    except VmlError as error:
        return LibvirtAnswer(error=error.message, hint=error.hint)


def main(words: list[str]) -> Any:
    """Ask, and print the answer."""
    sys.stdout.buffer.write(msgspec.json.encode(_ask(words[0], Path(words[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
