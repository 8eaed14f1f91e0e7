"""How what a host lacks is installed, in the words of its own distribution.

Names of packages: packages.debian.org, packages.fedoraproject.org, and the same of their relatives.
"""

from __future__ import annotations

import shlex
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")

_APT, _DNF, _PACMAN, _ZYPPER = "sudo apt install", "sudo dnf install", "sudo pacman -S", "sudo zypper install"
_FAMILIES = (
    (("debian", "ubuntu"), _APT),
    (("fedora", "rhel", "centos"), _DNF),
    (("arch",), _PACMAN),
    (("suse", "opensuse"), _ZYPPER),
)
_PACKAGES = {
    "qemu": {
        _APT: "qemu-system-x86",
        _DNF: "qemu-system-x86-core",
        _PACMAN: "qemu-system-x86",
        _ZYPPER: "qemu-x86",
    },
    "qemu-img": {_APT: "qemu-utils", _DNF: "qemu-img", _PACMAN: "qemu-img", _ZYPPER: "qemu-img"},
    "http": {
        _APT: "qemu-block-extra",
        _DNF: "qemu-block-curl",
        _PACMAN: "qemu-block-curl",
        _ZYPPER: "qemu-block-curl",
    },
    "libvirt": {
        _APT: "libvirt-daemon-system libvirt-clients",
        _DNF: "libvirt-daemon-driver-qemu libvirt-client",
        _PACMAN: "libvirt",
        _ZYPPER: "libvirt-daemon-qemu libvirt-client",
    },
    "passt": {_APT: "passt", _DNF: "passt", _PACMAN: "passt", _ZYPPER: "passt"},
}


def how_to_install(what: str, os_release: Path = OS_RELEASE) -> str:
    """Return the command that installs ``qemu``, ``qemu-img``, ``http``, ``libvirt`` or ``passt`` here.

    Where the distribution is not known, Debian's and Fedora's names are told.
    """
    packages = _PACKAGES[what]
    family = _family(os_release)
    if family is not None:
        return f"{family} {packages[family]}"
    return f"Install it; Debian calls it {packages[_APT]}, Fedora {packages[_DNF]}."


def _family(os_release: Path) -> str | None:
    try:
        lines = os_release.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    told = dict(line.split("=", 1) for line in lines if "=" in line)
    names = " ".join(shlex.split(f"{told.get('ID', '')} {told.get('ID_LIKE', '')}")).split()
    for family, command in _FAMILIES:
        if any(name.startswith(family) for name in names):
            return command
    return None
