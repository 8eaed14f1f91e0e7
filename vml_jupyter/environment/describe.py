"""Describe what a notebook runs in, in well under a fifth of a second and without running the notebook."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vml_jupyter.environment.cernvm import read_small, running_release
from vml_jupyter.environment.packages import interpreter_of, packages_here, packages_of
from vml_jupyter.model import Environment, Release


class _Kernelspec(msgspec.Struct):
    name: str = ""


class _Metadata(msgspec.Struct):
    kernelspec: _Kernelspec | None = None


class _Notebook(msgspec.Struct):
    """The little of a notebook that is needed here; its cells are skipped, not built."""

    metadata: _Metadata | None = None


def describe(
    root: Path = Path("/"),
    environ: Mapping[str, str] = os.environ,
    *,
    notebook: Path | None = None,
    chosen: Release | None = None,
    cache: Path | None = None,
) -> Environment:
    """Return the environment of this process, or of the kernel that the notebook names.

    Args:
        root: The root file system to look at.
        environ: The process's environment variables.
        notebook: The notebook file, whose kernel may be another Python than this one.
        chosen: The release that the user named; used where none is detected.
        cache: The folder in which what takes long to find is kept for the next time.
    """
    detected = running_release(root, environ)
    kernelspec = kernelspec_of(notebook) if notebook else ""
    interpreter = interpreter_of(kernelspec) if kernelspec else None
    found = packages_of(interpreter) if interpreter else None
    python, packages = found or (platform.python_version(), packages_here(cache))
    machine = os.uname()
    return Environment(
        release=detected or chosen,
        release_chosen=detected is None and chosen is not None,
        os=_system_name(root),
        kernel=machine.release,
        architecture=machine.machine,
        cpu=_processor(root),
        python=python,
        kernelspec=kernelspec,
        packages=packages,
    )


def kernelspec_of(notebook: Path) -> str:
    """Return the name of the kernel that a notebook was written for, '' where it does not say."""
    try:
        document = msgspec.json.decode(notebook.read_bytes(), type=_Notebook)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if document.metadata is None or document.metadata.kernelspec is None:
        return ""
    return document.metadata.kernelspec.name


def _system_name(root: Path) -> str:
    """Return what the system calls itself; CernVM 3 is older than os-release."""
    release = read_small(root / "etc/os-release") or read_small(root / "usr/lib/os-release")
    match = re.search(r"""^PRETTY_NAME=(["']?)(.*)\1\s*$""", release, re.MULTILINE)
    return match[2] if match else read_small(root / "etc/redhat-release").strip()


def _processor(root: Path) -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", read_small(root / "proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else ""
