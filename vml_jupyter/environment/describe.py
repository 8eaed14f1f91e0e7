"""Describe what a notebook runs in, in well under a fifth of a second and without running the notebook.

ask: mounted repositories, git, the kernel's Python      each a process of its own, side by side
read: release, operating system, processor, variables    meanwhile
collect: what they told, or that they did not            each has its deadline
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from vml_jupyter.environment import system
from vml_jupyter.environment.cernvm import running_release
from vml_jupyter.environment.cvmfs import Mounts
from vml_jupyter.environment.git import WorkingTree
from vml_jupyter.environment.interpreter import Interpreter
from vml_jupyter.environment.kernelspec import Kernel, kernel_of
from vml_jupyter.environment.packages import packages_in
from vml_jupyter.environment.software import software
from vml_jupyter.environment.texts import short
from vml_jupyter.environment.variables import allowed
from vml_jupyter.model import Environment, Release


def describe(
    root: Path = Path("/"),
    environ: Mapping[str, str] = os.environ,
    *,
    notebook: Path | None = None,
    area: Path | None = None,
    in_kernel: bool = False,
    chosen: Release | Callable[[], Release] | None = None,
    cache: Path | None = None,
) -> Environment:
    """Return the environment of the kernel that the notebook names, or of this process where it names none.

    Args:
        root: The root file system to look at.
        environ: The process's environment variables.
        notebook: The notebook file, whose kernel may be another Python than this one.
        area: The working area, whose git checkout is looked at.
        in_kernel: This process is the notebook's kernel, whatever the file says.
        chosen: The release that the user named, or what finds it: used, and called, only where none is detected.
        cache: The folder in which what takes long to find is kept for the next time.
    """
    kernel = kernel_of(notebook, environ, in_kernel=in_kernel)
    with ExitStack() as stack:
        interpreter = stack.enter_context(Interpreter(kernel, cache))
        mounts = stack.enter_context(Mounts(root))
        tree = stack.enter_context(WorkingTree(area, environ))
        mounted = mounts.told()
        checkout = tree.told()
        python, packages, notes = _python(kernel, interpreter)
    found = running_release(root, environ, mounted)
    detected, tag = found or (None, "")
    named = None if detected else chosen() if callable(chosen) else chosen
    release, architecture = system.kernel(root)
    cpu, cpu_flags = system.processor(root)
    runtime, image = system.container(root, environ)
    return Environment(
        release=detected or named,
        release_chosen=named is not None,
        cernvm=detected is not None,
        release_tag=tag,
        os=system.system_name(root),
        kernel=release,
        architecture=architecture,
        container=runtime,
        container_image=image,
        cpu=cpu,
        cpu_flags=cpu_flags,
        python=python,
        interpreter=short(str(kernel.interpreter or sys.executable)) if kernel.is_python else "",
        kernelspec=short(kernel.name),
        language=short(kernel.language),
        software=software(kernel.environ, str(kernel.interpreter or sys.executable)),
        cvmfs=mounted,
        git=checkout,
        variables=allowed(kernel.environ),
        packages=packages,
        notes=tuple(map(short, notes)),
    )


def _python(kernel: Kernel, interpreter: Interpreter) -> tuple[str, dict[str, str], list[str]]:
    """Return the version of a kernel's Python, its packages, and what is to be said about them."""
    notes = [kernel.note] if kernel.note else []
    if not kernel.is_python:
        return "", {}, notes
    told = interpreter.told()
    if told is None:
        unknown = f"{kernel.interpreter}, the Python of the kernel {kernel.name}, did not tell its packages"
        return "", {}, [*notes, unknown]
    return short(told.version), packages_in(told.path), notes
