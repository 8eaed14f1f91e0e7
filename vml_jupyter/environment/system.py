"""Tell what a root file system and its kernel say of themselves: operating system, container, processor.

/etc/os-release              PRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"; CernVM 3 is older than that file
/proc/sys/kernel/osrelease   4.14.232-19.cernvm.x86_64
/proc/cpuinfo                model name, flags
/.dockerenv, /run/.containerenv, /run/systemd/container, and variables: which container this is
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from vml_jupyter.environment.texts import long, read_small, short

# Variables by which those who start containers tell inside which image it is; the first one counts.
_IMAGES = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "JUPYTER_IMAGE_SPEC", "JUPYTER_IMAGE")


def system_name(root: Path) -> str:
    """Return what the system calls itself, ``Scientific Linux 7.9 (Nitrogen)``."""
    release = read_small(root / "etc/os-release") or read_small(root / "usr/lib/os-release")
    match = re.search(r"""^PRETTY_NAME=(["']?)(.*)\1\s*$""", release, re.MULTILINE)
    return short(match[2] if match else read_small(root / "etc/redhat-release").strip())


def kernel(root: Path) -> tuple[str, str]:
    """Return the kernel's release and the architecture, ``x86_64``."""
    machine = os.uname()
    release = read_small(root / "proc/sys/kernel/osrelease").strip()
    architecture = read_small(root / "proc/sys/kernel/arch").strip()  # since Linux 6.1
    return short(release or machine.release), short(architecture or machine.machine)


def processor(root: Path) -> tuple[str, str]:
    """Return the first processor's model and its flags, separated by spaces."""
    text = read_small(root / "proc/cpuinfo")
    return short(_field(text, "model name")), long(_field(text, "flags") or _field(text, "Features"))


def container(root: Path, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return what kind of container this is, '' where it is none that tells, and its image where it is known."""
    image = next((environ[name] for name in _IMAGES if environ.get(name)), "")
    podman = read_small(root / "run/.containerenv")
    match = re.search(r'^image="(.*)"$', podman, re.MULTILINE)
    return short(_runtime(root, environ)), short(image or (match[1] if match else ""))


def _runtime(root: Path, environ: Mapping[str, str]) -> str:
    if environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER"):
        return "apptainer"
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    return read_small(root / "run/systemd/container").strip()


def _field(text: str, name: str) -> str:
    match = re.search(rf"^{name}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else ""
