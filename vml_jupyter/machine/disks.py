"""The one disk that a machine can write: blank, sparse, in its folder; and whether QEMU reads disks over http.

    <folder>/scratch.qcow2      GiB as large as the shape says, 200 KiB at first; blank, or over a cloud image

Micro-CernVM partitions the first writable disk without partitions, even one that holds a file system, so nothing
else that a machine is given is writable.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from vml_jupyter.errors import DiskFull, HostError, ToolMissing
from vml_jupyter.model import Shape

_LEAST_FREE = 1 << 30  # what a fresh machine writes before anybody works in it, generously
_PATIENCE_S = 30.0


def create_scratch(path: Path, shape: Shape, root: Path | None = None) -> None:
    """Make the scratch disk of a machine.

    Args:
        path: Where.
        shape: Says how large it is; never smaller than what it is laid over.
        root: A raw disk under it, which stays as it is; None for a blank disk.

    Raises:
        DiskFull: Not even a fresh machine would have room.
        ToolMissing: ``qemu-img`` is not installed.
        HostError: It fails.
    """
    require_free(path.parent, _LEAST_FREE)
    size = max(shape.scratch_gib << 30, root.stat().st_size if root else 0)
    over = ["-b", str(root.absolute()), "-F", "raw"] if root else []
    done = _qemu_img("create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=on", *over, str(path), str(size))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise HostError(f"the scratch disk {path} cannot be made: {said}")
    path.chmod(0o600)


def can_read_http() -> bool:
    """Tell whether this host's QEMU has its http driver, a package of its own on some systems.

    Where it has none, the working area goes to a file (``MachineSpec.area_path``).

    Raises:
        ToolMissing: ``qemu-img`` is not installed.
    """
    # Nobody listens on port 9, so with the driver the answer is that nobody can be reached.
    said = _qemu_img("info", "--image-opts", "driver=http,url=http://127.0.0.1:9/")
    return b"Unknown driver" not in said.stderr and b"Unknown protocol" not in said.stderr


def require_free(folder: Path, size_bytes: int) -> None:
    """Refuse where a file system has less room than that.

    Raises:
        DiskFull: It has.
    """
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise DiskFull(
            f"{folder} has {free >> 20} MiB free and {size_bytes >> 20} MiB are needed",
            "Remove something, or delete machines you no longer need.",
        )


def _qemu_img(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["qemu-img", *words], capture_output=True, timeout=_PATIENCE_S, check=False)
    except FileNotFoundError as error:
        raise ToolMissing("qemu-img is not installed", "On Debian: apt install qemu-utils") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"qemu-img {words[0]} does not finish", "Is the file system slow or hung?") from error
