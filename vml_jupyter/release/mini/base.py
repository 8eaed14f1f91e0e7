"""Make the base that all systems share: a minimal Debian, its kernel and the boot partitions, as one tar.

What goes in lies in ``stage``, which appears as ``/mini`` inside:

    stage/{customize.sh,masked-units.txt,rootfs/}   from image/
    stage/{systems.txt,layers.txt,ucernvm_boot_loader}             written here
    stage/boot/<V>/{syslinux.cfg,version,etc/ucernvm-version}      what is a bootloader's own
    stage/layers/<folder>/                                         the systems' Python packages
"""

from __future__ import annotations

import shutil
from pathlib import Path

from vml_jupyter.building.debian import LEAN, ROOTFS, bootstrap, lines_of
from vml_jupyter.building.programs import Runner
from vml_jupyter.release.mini import recipe, stacks


def fill_stage(stage: Path) -> None:
    """Put everything but the layers into ``stage``."""
    for files in (ROOTFS, recipe.IMAGE_DATA / "rootfs"):
        shutil.copytree(files, stage / "rootfs", dirs_exist_ok=True)
    for name in ("customize.sh", "masked-units.txt"):
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
    packages = lines_of(recipe.IMAGE_DATA / "packages.txt")
    bootstrap(stage, tar, runner, suite=recipe.DEBIAN_SUITE, packages=packages, options=lines_of(LEAN))


def _syslinux_cfg(bootloader: recipe.Bootloader) -> str:
    text = (recipe.IMAGE_DATA / "syslinux.cfg").read_text()
    for name in ("CERNVM_PATH", "REPOSITORY"):
        text = text.replace(f"@{name}@", getattr(recipe, name))
    return text.replace("@DEFAULT_TAG@", recipe.ROLLING_TAG).replace("@OPTIONS@", bootloader.options)
