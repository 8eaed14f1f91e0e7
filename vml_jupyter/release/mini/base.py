"""Make the base that all systems share: a minimal Debian, its kernel and the boot partitions, as one tar.

mmdebstrap works as root, or as an ordinary user in a user namespace; nothing of the host is mounted.
What goes in lies in ``stage``, which appears as ``/mini`` inside:

    stage/{customize.sh,fetch-tools.sh,masked-units.txt,rootfs/}   from image/
    stage/{systems.txt,layers.txt,ucernvm_boot_loader}             written here
    stage/boot/<V>/{syslinux.cfg,version,etc/ucernvm-version}      what is a bootloader's own
    stage/layers/<folder>/                                         the systems' Python packages
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from vml_jupyter.release.mini import recipe, stacks
from vml_jupyter.release.mini.mirrors import debian_sources
from vml_jupyter.release.mini.programs import Runner

BOOT_START_SECTOR = 2048


def fill_stage(stage: Path) -> None:
    """Put everything but the layers into ``stage``."""
    shutil.copytree(recipe.IMAGE_DATA / "rootfs", stage / "rootfs")
    for name in ("customize.sh", "fetch-tools.sh", "masked-units.txt"):
        shutil.copyfile(recipe.IMAGE_DATA / name, stage / name)
    for bootloader in recipe.BOOTLOADERS:
        _fill_boot(stage / "boot" / bootloader.version, bootloader)
    (stage / "ucernvm_boot_loader").touch()
    (stage / "layers.txt").write_text("".join(f"{folder}\n" for folder in stacks.all_folders()))
    rows = [f"{s.tag} {s.version} {' '.join(stacks.stack(s))}\n" for s in recipe.SYSTEMS]
    (stage / "systems.txt").write_text("".join(rows))


def _fill_boot(folder: Path, bootloader: recipe.Bootloader) -> None:
    (folder / "etc").mkdir(parents=True)
    (folder / "etc" / "ucernvm-version").write_text(f"{bootloader.full_version}\n")
    (folder / "syslinux.cfg").write_text(_syslinux_cfg(bootloader))
    told = f"{recipe.REPOSITORY} at {recipe.ROLLING_TAG}, uCernVM {bootloader.full_version}\n"
    (folder / "version").write_text(told)


def build_base(stage: Path, tar: Path, runner: Runner) -> None:
    """Build the base of ``stage`` into the file ``tar``.

    Raises:
        HostError: mmdebstrap failed.
    """
    command = [
        *_own_namespaces(),
        "mmdebstrap",
        "--format=tar",
        "--variant=minbase",
        f"--include={','.join(_packages())}",
    ]
    command += [f"--dpkgopt={line}" for line in _lines("dpkg.cfg")]
    command += [f"--customize-hook={hook}" for hook in _hooks(stage)]
    command += [recipe.DEBIAN_SUITE, "-", *debian_sources(recipe.DEBIAN_SUITE)]
    # The kernel package would make an initial RAM disk that customize.sh makes anyway, with our settings.
    env = {"INITRD": "No", **_temporary_folder(tar.parent)}
    runner.run("mmdebstrap", command, stdout=tar, env=env)


def _hooks(stage: Path) -> list[str]:
    # Not in the builder's environment: with HOME, what Python programs keep there would be made in the image.
    clean = "env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive"
    return [
        'mkdir "$1/mini"',
        f"sync-in {shlex.quote(str(stage))} /mini",
        'sh "$1/mini/fetch-tools.sh" "$1"',
        f'chroot "$1" {clean} BOOT_START_SECTOR={BOOT_START_SECTOR} sh /mini/customize.sh',
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


def _syslinux_cfg(bootloader: recipe.Bootloader) -> str:
    text = (recipe.IMAGE_DATA / "syslinux.cfg").read_text()
    for name in ("CERNVM_PATH", "REPOSITORY"):
        text = text.replace(f"@{name}@", getattr(recipe, name))
    return text.replace("@DEFAULT_TAG@", recipe.ROLLING_TAG).replace("@OPTIONS@", bootloader.options)


def _packages() -> list[str]:
    return _lines("packages.txt")


def _lines(name: str) -> list[str]:
    lines = (recipe.IMAGE_DATA / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]
