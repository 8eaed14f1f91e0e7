"""Build what a distribution publishes for clouds, small: Debian with cloud-init, its kernel for clouds, and no Jupyter.

    <folder>/debian-12-cloud.qcow2      MBR: FAT with syslinux and the kernel, ext4 "cloud-root" with everything else

Nothing of VML is in it: no agent, no pins, no identity files. What a set-up would get from the network is in
``/srv/jupyter``, where nobody looks for it. The builder of the mini release has all it takes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vml_jupyter.building.debian import bootstrap
from vml_jupyter.building.programs import Runner, require
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.mini import disk, layers, recipe, stacks

HERE = Path(__file__).parent
NAME = "debian-12-cloud.qcow2"
PACKAGES = (
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "e2fsprogs",
    "fdisk",
    "initramfs-tools",
    "linux-image-cloud-amd64",
    "python3",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)
SYSLINUX = """SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
  KERNEL /vmlinuz
  INITRD /initrd.img
  APPEND root=LABEL=cloud-root ro console=tty0 console=ttyS0,115200 net.ifnames=0
"""


def build(folder: Path, progress: Progress = SILENT) -> Path:
    """Return the image, built in ``folder``; takes a minute and a half, needs root and the network.

    Raises:
        ToolMissing, HostError: A program is missing or failed.
    """
    require(("mmdebstrap", "mke2fs", "tar", "qemu-img"))
    runner = Runner(log_folder=folder, progress=progress)
    stage = folder / "stage"
    stage.mkdir()
    progress.stage("wheels", "Fetching Jupyter")
    _lay_python(folder, stage, runner)
    shutil.copyfile(HERE / "customize.sh", stage / "customize.sh")
    # A machine reaches PyPI the way that its builder does, through whatever authority is trusted there.
    shutil.copyfile("/etc/ssl/certs/ca-certificates.crt", stage / "ca-certificates.crt")
    (stage / "syslinux.cfg").write_text(SYSLINUX)
    progress.stage("base", "Installing Debian")
    bootstrap(stage, folder / "base.tar", runner, suite=recipe.DEBIAN_SUITE, packages=PACKAGES)
    progress.stage("disk", "Writing the disk")
    return _disk(folder, runner)


def _lay_python(folder: Path, stage: Path, runner: Runner) -> None:
    system = recipe.SYSTEMS[-1]
    layers.download(system, folder / "wheels" / system.version, runner)
    layers.lay(folder / "wheels", folder / "layers", runner)
    for name in stacks.stack(system):
        shutil.copytree(folder / "layers" / name, stage / "python", dirs_exist_ok=True)


def _disk(folder: Path, runner: Runner) -> Path:
    root = folder / "root"
    root.mkdir()
    # The kernel makes /dev when it boots, and only root outside of any namespace could make it here.
    command = [
        "tar",
        "--numeric-owner",
        "--exclude=./dev/*",
        "-xf",
        str(folder / "base.tar"),
        "-C",
        str(root),
    ]
    runner.run("tar", command)
    for name in ("boot-cloud.img", "mbr.bin"):
        (root / "mini" / name).rename(folder / name)
    shutil.rmtree(root / "mini")
    kib = sum(os.lstat(Path(top) / name).st_blocks for top, _, names in os.walk(root) for name in names) // 2
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-L", "cloud-root", "-d", str(root)]
    runner.run("mke2fs", [*command, str(folder / "system.img"), f"{kib * 12 // 10 + 65536}k"])
    disk.assemble(folder, folder / "disk.raw", "cloud")
    image = folder / NAME
    runner.run(
        "qemu-img", ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(folder / "disk.raw"), str(image)]
    )
    return image
