"""Build the image of the VML VM once per content, one build at a time, and put it in place whole.

pins -> wheels -> base (kept) -> + this VML -> partitions -> disk -> compressed -> rename
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from vml_jupyter.appliance import own, recipe
from vml_jupyter.appliance.pins import pins
from vml_jupyter.building import partitions, wheels
from vml_jupyter.building.alone import workshop
from vml_jupyter.building.debian import LEAN, ROOTFS, bootstrap, lines_of
from vml_jupyter.building.programs import Runner, require
from vml_jupyter.building.recipes import sha256_of
from vml_jupyter.progress import SILENT, Progress

WHAT = "The VML VM"
_UNUSED_S = 7 * 86_400


def build(data_dir: Path, progress: Progress = SILENT) -> Path:
    """Return the image of the VML VM with this VML in it, building it first where it is not there yet.

    Args:
        data_dir: Where VML keeps its data; the image is ``<data_dir>/appliance/<digest>/vml-vm.qcow2``, and its
            SHA-256 is beside it.
        progress: Hears the stages ``appliance-lock``, ``appliance-wheels``, ``appliance-base``, ``appliance-disk`` and
            ``appliance-image``.

    Raises:
        ToolMissing: A program or Python package that builds it is not installed.
        HostError: A program failed.
        Cancelled: The user ended the job.
    """
    home = data_dir.expanduser().resolve() / "appliance"
    pinned = pins()
    folder = home / recipe.digest(pinned)
    image = folder / f"{recipe.NAME}.qcow2"
    if not image.is_file():
        _require_tools()
        progress.stage("appliance-lock", "Waiting for another build of the VML VM")
        with workshop(home, image.is_file) as mine:
            if mine:
                scratch, lock = mine
                runner = Runner(scratch, progress, inherited=(lock,), what=WHAT)
                _build(scratch, _base(home, pinned, runner), runner).rename(folder)
                _remove_unused(home, folder)
    os.utime(folder)
    return image


def _base(home: Path, pinned: Sequence[str], runner: Runner) -> Path:
    """Return the tar of Debian and the Python packages, made first where it is not there."""
    kept = home / f"base-{recipe.base_digest(pinned)}.tar.zst"
    if not kept.is_file():
        scratch = runner.log_folder
        stage = scratch / "stage"
        _fill_stage(stage)
        runner.progress.stage("appliance-wheels", "Fetching the Python packages of the VML VM")
        _lay_wheels(pinned, scratch / "wheels", stage / "python", runner)
        runner.progress.stage("appliance-base", "Installing Debian for the VML VM")
        tar = scratch / "base.tar"
        bootstrap(
            stage,
            tar,
            runner,
            suite=recipe.DEBIAN_SUITE,
            packages=lines_of(recipe.IMAGE_DATA / "packages.txt"),
            options=[*lines_of(LEAN), *lines_of(recipe.IMAGE_DATA / "dpkg.cfg")],
        )
        runner.run("zstd", ["zstd", "-q", "-1", "-T0", "--rm", str(tar)])
        for former in home.glob("base-*.tar.zst"):
            former.unlink()
        tar.with_suffix(".tar.zst").rename(kept)
    return kept


def _fill_stage(stage: Path) -> None:
    for files in (ROOTFS, recipe.IMAGE_DATA / "rootfs"):
        shutil.copytree(files, stage / "rootfs", dirs_exist_ok=True)
    for name in ("customize.sh", "masked-units.txt", "syslinux.cfg"):
        shutil.copyfile(recipe.IMAGE_DATA / name, stage / name)


def _lay_wheels(pinned: Sequence[str], folder: Path, root: Path, runner: Runner) -> None:
    wheels.download("pip", pinned, folder, runner)
    found = sorted(folder.glob("*.whl"))
    for done, wheel in enumerate(found):
        runner.progress.advance(done, len(found), "wheels")
        wheels.install(wheel, root, "vml-appliance")
    # It reads every setting of Notebook 6 at each start.
    shim = "etc/jupyter/jupyter_server_config.d/notebook_shim.json"
    wheels.remove_unused(root / "usr" / "local", (*wheels.UNUSED, shim))


def _build(scratch: Path, base: Path, runner: Runner) -> Path:
    """Make ``scratch/made``: the image and its SHA-256."""
    runner.progress.stage("appliance-disk", "Writing the disk of the VML VM")
    own.lay(scratch / "own")
    _compile(scratch / "own", runner)
    become_root = [] if os.geteuid() == 0 else ["fakeroot", "--"]
    populate = recipe.IMAGE_DATA / "populate.sh"
    runner.run(
        "populate",
        [*become_root, "sh", str(populate), str(scratch), str(base), f"{recipe.SYSTEM_GIB}G"],
    )
    disk, made = scratch / "disk.raw", scratch / "made"
    partitions.assemble(
        disk, (scratch / "mbr.bin").read_bytes(), scratch / "boot.img", scratch / "system.img"
    )
    runner.progress.stage("appliance-image", "Compressing the disk of the VML VM")
    made.mkdir()
    image = made / f"{recipe.NAME}.qcow2"
    command = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-m", "8", "-W"]
    runner.run("qemu-img", [*command, "-o", "compression_type=zstd", str(disk), str(image)])
    with image.open("rb") as file:
        os.fsync(file.fileno())
    image.with_name(f"{image.name}.sha256").write_text(f"{sha256_of(image)}  {image.name}\n")
    return made


def _compile(root: Path, runner: Runner) -> None:
    """Compile this VML for the image's Python, where a Python of that version is at hand."""
    ours = sys.executable if sys.version.startswith(f"{wheels.PYTHON}.") else None
    python = ours or shutil.which(f"python{wheels.PYTHON}")
    if python is None:
        runner.progress.note(
            f"The VML VM will start more slowly: there is no Python {wheels.PYTHON} here to compile it"
        )
        return
    packages = root / wheels.PACKAGES[1:]
    runner.run("compile", [python, "-m", "compileall", "-q", "-s", str(root), "-p", "/", str(packages)])


def _require_tools() -> None:
    as_user = () if os.geteuid() == 0 else ("fakeroot", "newuidmap")
    require(("mmdebstrap", "mke2fs", "tar", "zstd", "qemu-img", *as_user), WHAT)


def _remove_unused(home: Path, but: Path) -> None:
    """Remove images of former versions that nobody asked for in a week."""
    for folder in home.glob("*/"):
        if folder != but and folder.stat().st_mtime < time.time() - _UNUSED_S:
            shutil.rmtree(folder)
