"""Install a minimal Debian into a tar.

mmdebstrap works as root, or as an ordinary user in a user namespace; nothing of the host is mounted.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vml_jupyter.building.mirrors import debian_sources
from vml_jupyter.building.partitions import BOOT_START_SECTOR
from vml_jupyter.building.programs import Runner

HERE = Path(__file__).parent
FETCH_TOOLS = HERE / "fetch-tools.sh"

LEAN = HERE / "dpkg.cfg"
"""Lines of dpkg's configuration that keep out what a machine for notebooks never opens."""

ROOTFS = HERE / "rootfs"
"""Files for a root that busybox gives an address and shuts down: acpid.service, udhcpc.service."""


def bootstrap(
    stage: Path,
    tar: Path,
    runner: Runner,
    *,
    suite: str,
    packages: Sequence[str],
    options: Sequence[str] = (),
    inside: str = "/mini",
) -> None:
    """Install Debian with some packages, let a script of ours finish it, and pack it.

    Args:
        stage: A folder that is there as ``inside``; its ``customize.sh`` is run in the new root, with
            ``BOOT_START_SECTOR`` in its environment, and finds syslinux, mtools and dosfstools in ``tools/``.
        tar: What is written.
        runner: What runs mmdebstrap.
        suite: Debian's release.
        packages: What is installed, with what it depends on.
        options: Lines of dpkg's configuration.
        inside: Where the stage is in the new root.

    Raises:
        HostError: mmdebstrap failed.
    """
    command = [*_own_namespaces(), "mmdebstrap", "--format=tar", "--variant=minbase"]
    command += [f"--include={','.join(packages)}", *(f"--dpkgopt={line}" for line in options)]
    command += [f"--customize-hook={hook}" for hook in _hooks(stage, inside)]
    command += [suite, "-", *debian_sources(suite)]
    # The kernel package would make an initial RAM disk that customize.sh makes anyway, with its settings.
    env = {"INITRD": "No", **_temporary_folder(tar.parent)}
    runner.run("mmdebstrap", command, stdout=tar, env=env)


def lines_of(file: Path) -> list[str]:
    """Return the lines of a list that are no comments."""
    return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]


def _hooks(stage: Path, inside: str) -> list[str]:
    # Not in the builder's environment: with HOME, what Python programs keep there would be made in the image.
    clean = "env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive"
    return [
        f'mkdir "$1{inside}"',
        f"sync-in {shlex.quote(str(stage))} {inside}",
        f'sh {shlex.quote(str(FETCH_TOOLS))} "$1{inside}"',
        f'chroot "$1" {clean} BOOT_START_SECTOR={BOOT_START_SECTOR} sh {inside}/customize.sh',
    ]


def _own_namespaces() -> list[str]:
    """As root, let what mmdebstrap mounts and starts vanish with it, however it ends."""
    if os.geteuid() != 0:
        return []
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
    allowed = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    return alone if allowed else []


def _temporary_folder(folder: Path) -> dict[str, str]:
    """Keep mmdebstrap's root in our own folder as root; an ordinary user's namespace may not reach into it."""
    return {"TMPDIR": str(folder)} if os.geteuid() == 0 else {}
