"""Describe what a notebook runs in on another computer, a machine, from what that computer tells of itself.

    texts of its system, its mounts, its kernel's Python   --the same readers as for this computer-->   Environment
    .git in the captured tree                              --the same reading, without git-->           its commit

Everything told is foreign: it is laid into a folder of its own and read there as any root file system is, so what is
too long, no text or nonsense ends as it would here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from vml_jupyter.environment import system
from vml_jupyter.environment.cernvm import running_release
from vml_jupyter.environment.cvmfs import as_mount
from vml_jupyter.environment.packages import packages_named
from vml_jupyter.environment.software import software
from vml_jupyter.environment.texts import short
from vml_jupyter.environment.variables import ALLOWED, allowed
from vml_jupyter.model import Checkout, Environment, Release

VARIABLES = sorted(ALLOWED)


class Told(Protocol):
    """What it tells: ``mounts`` are path, name, revision, root hash and tag; ``five`` is CernVM 5's package version."""

    @property
    def texts(self) -> Mapping[str, str]: ...
    @property
    def markers(self) -> Sequence[str]: ...
    @property
    def five(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def mounts(self) -> Sequence[tuple[str, str, str, str, str]]: ...
    @property
    def interpreter(self) -> str: ...
    @property
    def kernelspec(self) -> str: ...
    @property
    def environ(self) -> Mapping[str, str]: ...
    @property
    def python(self) -> str: ...
    @property
    def folders(self) -> Sequence[tuple[str, Sequence[str]]]: ...


_TEXTS = (
    *("etc/os-release", "usr/lib/os-release", "etc/redhat-release", "etc/cernvm-release", "etc/issue"),
    *(
        "proc/sys/kernel/osrelease",
        "proc/cpuinfo",
        "mnt/.rw/aux/ucernvm-version",
        "mnt/.rw/aux/cvmfs_snapshot",
    ),
    "mnt/.rw/context/ucontext",
    "etc/cernvm/cernvm_config",
)


def describe_told(
    told: Told, made_of: Release, checkout: Checkout | None = None, notes: Sequence[str] = ()
) -> Environment:
    """Return the environment that another computer tells.

    Args:
        told: What it tells.
        made_of: The release that it was started as; counts where it does not tell one.
        checkout: The git checkout that its working area is; see ``git.checkout_told``.
        notes: What could not be told of that.
    """
    mounts = tuple(as_mount(path, values) for path, *values in told.mounts)
    with tempfile.TemporaryDirectory(prefix="vml-told-") as folder:
        root = Path(folder)
        _lay(told, root)
        found = running_release(root, {}, mounts, five=told.five)
        kernel = system.kernel(root)[0] if "proc/sys/kernel/osrelease" in told.texts else ""
        cpu, cpu_flags = system.processor(root)
        name = system.system_name(root)
    detected, tag = found or (None, "")
    said = [] if told.python else ["no Python kernel ran in the machine, so its packages are not known"]
    if checkout:
        said.append(f"whether the working area differs from its commit is not known: {checkout.unknown}")
    return Environment(
        release=detected or made_of,
        release_chosen=detected is None,
        cernvm=detected is not None,
        release_tag=tag,
        os=name,
        kernel=kernel,
        architecture=short(told.architecture),
        cpu=cpu,
        cpu_flags=cpu_flags,
        python=short(told.python),
        interpreter=short(told.interpreter),
        kernelspec=short(told.kernelspec),
        language="python" if told.python else "",
        software=software(told.environ, told.interpreter),
        cvmfs=mounts,
        git=checkout,
        variables=allowed(told.environ),
        packages=packages_named(told.folders),
        notes=tuple(map(short, (*said, *notes))),
    )


def _lay(told: Told, root: Path) -> None:
    for name in _TEXTS:
        if name in told.texts:
            file = root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(told.texts[name], "utf-8", errors="replace")
    for marker in told.markers:
        if marker.startswith(".installed_cernvm-system-") and "/" not in marker and marker.isprintable():
            (root / marker[:100]).touch()
