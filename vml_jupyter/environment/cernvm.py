"""Tell which CernVM a root file system is, by the files that CernVM keeps; None on any other computer.

    /etc/cernvm-release                      CERN Virtual Machine, version 4.5.0.1        CernVM 3 and 4
    /.installed_cernvm-system-4.5.0.1        the same, before that file is written at boot
    /etc/issue                               Welcome to CERN Virtual Machine, version 3.5.1.4
    /mnt/.rw/aux/ucernvm-version             2021.05-1.cernvm.x86_64                      the bootloader
    /mnt/.rw/aux/cvmfs_snapshot              root hash; tag
    /mnt/.rw/context/ucontext                _UCONTEXT_CERNVM_PATH=cvm4, _UCONTEXT_CVMFS_BRANCH=...
    /etc/cernvm/cernvm_config                only in CernVM 5; its version is that of an RPM package

A CernVM that was updated carries several markers, so the file written at this boot goes first.
Sources: cernvm-rpm, renegade and cernvm-micro's ``scripts.d``, cernvm-five's ``cernvm_config``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from vml_jupyter.model import Release

_VERSION = re.compile(r"CERN Virtual Machine,? version (\d+(?:\.\d+){2,3})\b")
_HASH = re.compile(r"[0-9a-f]{40}(?:-rmd160|-shake128)?")
_CONTEXT = re.compile(r"""_UCONTEXT_([A-Z_]+)=["']?([A-Za-z0-9._-]+)["']?""")
_BOOTLOADER_FILE = "mnt/.rw/aux/ucernvm-version"
_SMALL = 64 * 1024
_RPM_TIMEOUT_S = 2.0


def running_release(root: Path = Path("/"), environ: Mapping[str, str] = os.environ) -> Release | None:
    """Return the release that the file system at ``root`` is, None where it is no CernVM.

    Args:
        root: ``/``, or where another root file system is mounted.
        environ: Where ``PATH`` is looked up for ``rpm``, which only CernVM 5 needs.
    """
    system = _system(root)
    if system:
        return _micro_release(root, system)
    if (root / "etc/cernvm/cernvm_config").is_file():
        return _release_five(root, environ)
    return None


def read_small(file: Path) -> str:
    """Return the first 64 KiB of a text file, '' where it cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(_SMALL).decode("utf-8", "replace")
    except OSError:
        return ""


def _system(root: Path) -> str:
    match = _VERSION.search(read_small(root / "etc/cernvm-release"))
    if match:
        return match[1]
    found = _markers(root)
    if found:
        from vml_jupyter.release import parse_tag, system_key  # where there is no CernVM, nobody waits for it

        markers = [parse_tag(file.name.removeprefix(".installed_")) for file in found]
        if any(markers):
            return max(markers, key=system_key)
    match = _VERSION.search(read_small(root / "etc/issue"))
    return match[1] if match else ""


def _markers(root: Path) -> list[Path]:
    try:
        return list(root.glob(".installed_cernvm-system-*"))
    except OSError:
        return []


def _micro_release(root: Path, system: str) -> Release:
    from vml_jupyter.release import PRODUCTION, parse_bootloader

    context = dict(_CONTEXT.findall(read_small(root / "mnt/.rw/context/ucontext")))
    attributes = _attributes(root / "mnt/.ro")
    snapshot = read_small(root / "mnt/.rw/aux/cvmfs_snapshot").splitlines()
    root_hash = attributes.get("root_hash") or (snapshot[0].strip() if snapshot else "")
    return Release(
        system=system,
        bootloader=parse_bootloader(read_small(root / _BOOTLOADER_FILE)),
        repository=attributes.get("fqrn") or context.get("CVMFS_BRANCH") or PRODUCTION,
        path=context.get("CERNVM_PATH") or f"cvm{system.partition('.')[0]}",
        root_hash=root_hash if _HASH.fullmatch(root_hash) else "",
    )


def _attributes(mount: Path) -> dict[str, str]:
    """Return what CernVM-FS itself says of its mount; nothing where it is none."""
    found = {}
    for name in ("fqrn", "root_hash"):
        try:
            found[name] = os.getxattr(mount, f"user.{name}").decode("ascii", "replace")
        except OSError:
            continue
    return found


def _release_five(root: Path, environ: Mapping[str, str]) -> Release | None:
    """Return CernVM 5: its system is an RPM package that counts for itself, here written ``5-1.0.1``."""
    import subprocess

    command = [
        "rpm",
        "--root",
        str(root.absolute()),
        "-q",
        "--qf",
        "%{VERSION}",
        "cernvm-system-default",
    ]
    try:
        answer = subprocess.run(
            command if root != Path("/") else [command[0], *command[3:]],
            capture_output=True,
            text=True,
            timeout=_RPM_TIMEOUT_S,
            check=True,
            env={**os.environ, **environ},
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    if not re.fullmatch(r"\d+(\.\d+)*", answer):
        return None
    return Release(system=f"5-{answer}", flavour="five")
