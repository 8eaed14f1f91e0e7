"""Pack the image of the VML VM for VirtualBox and VMware: a tar of a description, digests, and two disks.

vml-vm.ovf            2 processors, 2 GiB, SATA, an Intel card behind NAT     DMTF DSP0243, version 1
vml-vm.mf             SHA256(name)= digest, of the others
vml-vm-system.vmdk    the system, streamOptimized
vml-vm-data.vmdk      an empty disk, which becomes the data disk when it is first started
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from vml_jupyter.appliance import recipe
from vml_jupyter.building.programs import Runner, require
from vml_jupyter.building.recipes import sha256_of
from vml_jupyter.progress import SILENT, Progress

DATA_GIB = 100
CPUS, MEMORY_MIB = 2, 2048
_OVF = recipe.HERE / "vml-vm.ovf"
_DISKS = ("system", "data")


def write_ova(image: Path, ova: Path, scratch: Path, progress: Progress = SILENT) -> None:
    """Write ``ova`` from an image that was built.

    Args:
        image: The image, qcow2.
        ova: What is written.
        scratch: A folder for the disks, which take as much room as the OVA.
        progress: Hears the stage ``appliance-ova``.

    Raises:
        ToolMissing, HostError: qemu-img is not there, or failed.
    """
    what = "The OVA of the VML VM"
    require(("qemu-img",), what)
    runner = Runner(scratch, progress, what=what)
    progress.stage("appliance-ova", "Making the disks for VirtualBox and VMware")
    empty = scratch / "empty.raw"
    with empty.open("wb") as file:
        file.truncate(DATA_GIB << 30)
    disks = {kind: scratch / f"{recipe.NAME}-{kind}.vmdk" for kind in _DISKS}
    for kind, source, format_ in (("system", image, "qcow2"), ("data", empty, "raw")):
        command = ["qemu-img", "convert", "-f", format_, "-O", "vmdk", "-o", "subformat=streamOptimized"]
        runner.run(f"qemu-img-{kind}", [*command, str(source), str(disks[kind])])
    described = scratch / f"{recipe.NAME}.ovf"
    described.write_text(_description(disks, capacity_of(image)))
    manifest = "".join(f"SHA256({file.name})= {sha256_of(file)}\n" for file in (described, *disks.values()))
    with tarfile.open(ova, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, described)
        _add_text(archive, f"{recipe.NAME}.mf", manifest)
        for disk in disks.values():
            _add(archive, disk)


def capacity_of(image: Path) -> int:
    """Return how large the disk in a qcow2 image is, in bytes: its header says so, big-endian, at byte 24."""
    with image.open("rb") as file:
        return int.from_bytes(file.read(32)[24:], "big")


def _description(disks: dict[str, Path], system_bytes: int) -> str:
    text = _OVF.read_text()
    values = {
        "CPUS": CPUS,
        "MEMORY_MIB": MEMORY_MIB,
        "SYSTEM_CAPACITY": system_bytes,
        "DATA_GIB": DATA_GIB,
        "SYSTEM_BYTES": disks["system"].stat().st_size,
        "DATA_BYTES": disks["data"].stat().st_size,
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _add(archive: tarfile.TarFile, file: Path) -> None:
    with file.open("rb") as stream:
        archive.addfile(_member(file.name, file.stat().st_size), stream)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    archive.addfile(_member(name, len(text.encode())), io.BytesIO(text.encode()))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member
