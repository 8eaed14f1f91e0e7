"""Build a mini release once per recipe, one build at a time, and put it in place whole.

layers -> base -> partitions -> a disk for each bootloader -> signed, or made another kind of -> lists -> rename
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vml_jupyter.building import programs
from vml_jupyter.building.alone import workshop
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release.mini import base, disk, layers, recipe, signature, stratum


def build(data_dir: Path, progress: Progress = SILENT) -> Path:
    """Return the mini release repository of this recipe, building it first where it is not there yet.

    Args:
        data_dir: Where VML keeps its data; the repository lies in ``<data_dir>/mini/<recipe digest>``.
        progress: Hears the stages ``mini-lock``, ``mini-wheels``, ``mini-base``, ``mini-disk`` and
            ``mini-publish``.

    Raises:
        ToolMissing: A program or Python package that builds it is not installed.
        HostError: A program failed.
        Cancelled: The user ended the job.
    """
    home = data_dir.expanduser().resolve() / "mini"
    repository = home / recipe.digest()
    if repository.is_dir():
        return repository
    _require_tools()
    progress.stage("mini-lock", "Waiting for another build of the mini release")
    with workshop(home, repository.is_dir) as mine:
        if mine:
            scratch, lock = mine
            _build(scratch, progress, lock).rename(repository)
    return repository


def _build(scratch: Path, progress: Progress, lock: int) -> Path:
    runner = programs.Runner(log_folder=scratch, progress=progress, inherited=(lock,))
    stage, repository = scratch / "stage", scratch / "repository"
    stage.mkdir()
    repository.mkdir()
    progress.stage("mini-wheels", "Fetching the Python packages of the mini release")
    _build_layers(scratch, stage, runner)
    progress.stage("mini-base", "Installing Debian for the mini release")
    base.fill_stage(stage)
    base.build_base(stage, scratch / "base.tar", runner)
    progress.stage("mini-disk", "Writing the disks of the mini release")
    disk.populate(scratch, runner)
    progress.stage("mini-publish", "Signing and publishing the mini release")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: _publish_image(scratch, repository, each, runner), recipe.BOOTLOADERS))
    (repository / "releases" / "latest").write_text(f"{recipe.BOOTLOADERS[-1].version}\n")
    stratum.publish_all(repository / "cvmfs", scratch / "history.sqlite")
    return repository


def _build_layers(scratch: Path, stage: Path, runner: programs.Runner) -> None:
    wheels = scratch / "wheels"
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda s: layers.download(s, wheels / s.version, runner), recipe.SYSTEMS))
    layers.lay(wheels, stage / "layers", runner)


def _publish_image(
    scratch: Path, repository: Path, bootloader: recipe.Bootloader, runner: programs.Runner
) -> None:
    """Put a bootloader's image and its digest in place; a disk is signed, other kinds hold an unsigned one."""
    image = repository / bootloader.path
    image.parent.mkdir(parents=True)
    if bootloader.extension == "hdd":
        disk.assemble(scratch, image, bootloader.version)
        sha256 = signature.sign(image, repository / "mini-ca.crt", bootloader)
    else:
        raw = scratch / f"{bootloader.version}.raw"
        disk.assemble(scratch, raw, bootloader.version)
        command = ["qemu-img", "convert", "-f", "raw", "-O", bootloader.extension, "-c", "-m", "8", "-W"]
        command += ["-o", "compression_type=zstd", str(raw), str(image)]
        runner.run(f"qemu-img-{bootloader.version}", command)
        raw.unlink()
        sha256 = signature.hash_of(image).hexdigest()
    image.with_name(f"{image.name}.sha256").write_text(f"{sha256}\n")
    with image.open("rb") as file:
        os.fsync(file.fileno())


def _require_tools() -> None:
    as_user = () if os.geteuid() == 0 else ("fakeroot", "newuidmap")
    programs.require(("mmdebstrap", "mke2fs", "debugfs", "tar", "qemu-img", *as_user))
