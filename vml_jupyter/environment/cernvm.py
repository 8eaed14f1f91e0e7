"""Tell which CernVM a root file system is, by the files that CernVM keeps; None on any other computer.

    /etc/cernvm-release                      CERN Virtual Machine, version 4.5.0.1        CernVM 3 and 4
    /.installed_cernvm-system-4.5.0.1        the same, before that file is written at boot
    /etc/issue                               Welcome to CERN Virtual Machine, version 3.5.1.4
    /mnt/.rw/aux/ucernvm-version             2021.05-1.cernvm.x86_64                      the bootloader
    /mnt/.rw/aux/cvmfs_snapshot              root hash; tag, which may be a rolling one or empty
    /mnt/.rw/context/ucontext                _UCONTEXT_CERNVM_PATH=cvm4, _UCONTEXT_CVMFS_BRANCH=...
    /mnt/.ro                                 the mounted system, which tells the same itself: it goes first
    /etc/cernvm/cernvm_config                only in CernVM 5; its version is that of an RPM package

A CernVM that was updated carries several markers, so the file written at this boot goes first.
Sources: cernvm-rpm, renegade and cernvm-micro's ``scripts.d``, cernvm-five's ``cernvm_config``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from vml_jupyter.environment.texts import read_small, short
from vml_jupyter.model import Mount, Release

# The release room knows these names too, but it speaks HTTP, and to import that takes longer than all of this.
_PRODUCTION = "cernvm-prod.cern.ch"
# Patterns are compiled when they are needed, which is on a CernVM only: compiling is most of an import's time.
_MARKER = r"\.installed_cernvm-system-(\d{1,4}(?:\.\d{1,6}){2,3})"
_BOOTLOADER = r"(\d+\.\d+-\d+)(?:\.cernvm\.[a-z0-9_]+)?"

_VERSION = r"CERN Virtual Machine,? version (\d+(?:\.\d+){2,3})\b"
_HASH = r"[0-9a-f]{40}(?:-rmd160|-shake128)?"
_TAG = r"[A-Za-z0-9._-]{1,100}"
_CONTEXT = r"""_UCONTEXT_([A-Z_]+)=["']?([A-Za-z0-9._-]+)["']?"""
_SYSTEM_MOUNT = "/mnt/.ro"
_FIVE = r"\d{1,6}(\.\d{1,6}){0,5}"
_RPM_WITHIN_S = 2.0


def running_release(
    root: Path, environ: Mapping[str, str], mounts: Sequence[Mount] = (), *, five: str | None = None
) -> tuple[Release, str] | None:
    """Return the release that the file system at ``root`` is, and the tag it was mounted by; None for no CernVM.

    Args:
        root: ``/``, or where another root file system is mounted.
        environ: Where ``PATH`` is looked up for ``rpm``, which only CernVM 5 needs.
        mounts: What the mounted repositories say, the system's own among them.
        five: The version of CernVM 5's package, '' for none, where another computer told it; None has ``rpm`` asked.
    """
    system = _system(root)
    if system:
        own = next((mount for mount in mounts if mount.path == _SYSTEM_MOUNT), None)
        return _micro_release(root, system, own)
    if (root / "etc/cernvm/cernvm_config").is_file():
        version = _version_five(root, environ) if five is None else five
        # An RPM package that counts for itself, here written ``5-1.0.1``.
        known = re.fullmatch(_FIVE, version)
        return (Release(system=f"5-{version}", flavour="five"), "") if known else None
    return None


def _system(root: Path) -> str:
    version = _version(root / "etc/cernvm-release")
    if version:
        return version
    markers = [match[1] for name in _markers(root) if (match := re.fullmatch(_MARKER, name))]
    return max(markers, key=_age) if markers else _version(root / "etc/issue")


def _version(file: Path) -> str:
    text = read_small(file)
    match = re.search(_VERSION, text) if "CERN" in text else None
    return match[1] if match else ""


def _markers(root: Path) -> list[str]:
    try:
        return [file.name for file in root.glob(".installed_cernvm-system-*")]
    except OSError:
        return []


def _age(system: str) -> tuple[int, ...]:
    return tuple(int(number) for number in system.split("."))


def _micro_release(root: Path, system: str, own: Mount | None) -> tuple[Release, str]:
    context = dict(re.findall(_CONTEXT, read_small(root / "mnt/.rw/context/ucontext")))
    pin = [line.strip() for line in read_small(root / "mnt/.rw/aux/cvmfs_snapshot").splitlines()] + ["", ""]
    bootloader = re.fullmatch(_BOOTLOADER, read_small(root / "mnt/.rw/aux/ucernvm-version").strip())
    root_hash = (own.root_hash if own else "") or pin[0]
    tag = (own.tag if own else "") or pin[1]
    release = Release(
        system=system,
        bootloader=bootloader[1] if bootloader else "",
        repository=(own.fqrn if own else "") or context.get("CVMFS_BRANCH") or _PRODUCTION,
        path=context.get("CERNVM_PATH") or f"cvm{system.partition('.')[0]}",
        root_hash=root_hash if re.fullmatch(_HASH, root_hash) else "",
    )
    return release, short(tag) if re.fullmatch(_TAG, tag) else ""


def _version_five(root: Path, environ: Mapping[str, str]) -> str:
    """Return the version of CernVM 5's system as ``rpm`` tells it, '' where it does not."""
    import shutil

    from vml_jupyter.environment.asking import Question

    rpm = shutil.which("rpm", path=environ.get("PATH") or os.defpath)
    if rpm is None:
        return ""
    elsewhere = [] if root == Path("/") else ["--root", str(root.absolute())]
    command = [rpm, *elsewhere, "-q", "--qf", "%{VERSION}", "cernvm-system-default"]
    with Question(command, {**os.environ, **environ}, within_s=_RPM_WITHIN_S, limit_bytes=1000) as question:
        version = question.answer().decode("ascii", "replace").strip()
        return version if question.status == 0 else ""
