"""Which kind of file carries a CernVM disk, told by its first bytes, and the raw disk taken out of it.

    raw    .hdd .hvm .img        the disk itself                                booted as it is
    iso    .iso                  ISO 9660 with isolinux                         booted as a CD
    vhd    .vhd                  a raw disk and a footer, or a sparse one       \
    vdi vmdk qcow2               sparse disks of VirtualBox, VMware, QEMU        | taken out first:
    ova    .ova                  tar with ``*.vmdk``                             | <folder>/<digest>/<image>.raw
    targz  .tar.gz               gzip, tar with ``disk.raw``                    /

``.fat`` is a file system without a disk around it (read as raw), ``.box`` is not read. The sparse kinds are left to
``qemu-img``, which is told each time which kind it is and that nothing lies behind it: a foreign disk could name any
file of this computer as its backing file or extent.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from vml_jupyter.errors import NO_ROOM, DiskFull, Foreign, HostError, ToolMissing
from vml_jupyter.release.iso import is_iso
from vml_jupyter.release.room import require_room

RAW, ISO = "raw", "iso"
_DRIVERS = {"vhd": "vpc", "vdi": "vdi", "vmdk": "vmdk", "qcow2": "qcow2"}
_HEAD_BYTES = 64 * 1024 * 1024
_MEMBER_LIMIT = 4 * 1024**3
_LOOK_LIMIT = 128 * 1024 * 1024
_PATIENCE_S = 300.0
_ROOM = "Make room where VML's data lies."
_QCOW2_HARMLESS = 0b1001  # dirty, compression type


def kind_of(file: Path) -> str:
    """Return which kind of carrier a file is; ``raw`` where no other is recognised.

    Raises:
        OSError: The file cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(512)
        if is_iso(stream):
            return ISO
        return _magic(stream, head) or RAW


def _magic(stream: BinaryIO, head: bytes) -> str:
    if head[:4] == b"QFI\xfb":
        return "qcow2"
    if head[:4] == b"KDMV":
        return "vmdk"
    if head[64:68] == b"\x7f\x10\xda\xbe":
        return "vdi"
    if head[:8] == b"conectix" or _footer(stream)[:8] == b"conectix":
        return "vhd"
    if head[257:262] == b"ustar" and head[:100].rstrip(b"\0").endswith(b".ovf"):
        return "ova"
    if head[:2] == b"\x1f\x8b" and _unzipped(head)[:100].rstrip(b"\0") in (b"disk.raw", b"./disk.raw"):
        return "targz"
    return ""


def _footer(stream: BinaryIO) -> bytes:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - 512))
    return stream.read(512)


def _unzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 512)
    except zlib.error:
        return b""


@contextmanager
def beginning(file: Path, kind: str) -> Iterator[Path]:
    """Give a raw file with the first 64 MiB of the disk in a carrier, which holds its boot partition.

    Raises:
        Foreign: The carrier holds no disk, or one that leads elsewhere.
        ToolMissing, HostError: qemu-img is not there, or cannot read it.
    """
    with TemporaryDirectory(prefix="vml-image-") as folder:
        target = Path(folder) / "disk.raw"
        with _disk_file(file, kind, Path(folder), _LOOK_LIMIT) as (disk, inner):
            if inner == RAW:
                _copy(disk, target, _HEAD_BYTES)
            else:
                source = _source(disk, inner)
                _qemu_img("dd", "-U", f"if={source}", f"of={target}", "bs=1M", f"count={_HEAD_BYTES >> 20}")
        yield target


def amiss(file: Path, kind: str) -> str:
    """Return in words what a sparse disk lacks of itself, or has too much; '' where nothing of that can be told.

    What is cut in its last cluster alone is noticed only when it is taken out.

    Raises:
        Foreign, ToolMissing, HostError: As for ``beginning``.
    """
    size = file.stat().st_size
    if kind == "vdi":
        with file.open("rb") as stream:
            head = stream.read(392).ljust(392, b"\0")
        start, (block, _, _, allocated) = (
            struct.unpack_from("<I", head, 344)[0],
            struct.unpack_from("<4I", head, 376),
        )
        missing = start + block * allocated - size
        return f"it is cut: its last {missing} bytes are missing" if missing > 0 else ""
    if kind == "vhd":
        with file.open("rb") as stream:
            return (
                ""
                if _footer(stream)[:8] == b"conectix"
                else "it is cut, or grew: its footer is not at its end"
            )
    if kind != "qcow2":
        return ""
    checked = _qemu_img("check", "-U", "--output=json", _source(file, kind), fine=(0, 2, 3))
    found = json.loads(checked)
    if found.get("corruptions"):
        return f"it is cut, or damaged: {found['corruptions']} of its clusters are not there"
    surplus = size - int(found.get("image-end-offset", size))
    return f"it grew: {surplus} bytes are behind its end" if surplus > 0 else ""


def extract(file: Path, kind: str, target: Path) -> None:
    """Write the disk in a carrier to a raw, sparse file.

    Raises:
        DiskFull: There is no room for it; looked at first.
        Foreign, ToolMissing, HostError: As for ``beginning``.
        OSError: The file cannot be written.
    """
    with _disk_file(file, kind, target.parent, _MEMBER_LIMIT) as (disk, inner):
        require_room(target.parent, _content_bytes(disk, inner), f"the disk in {file.name}")
        if inner == RAW:
            _copy(disk, target, _MEMBER_LIMIT)
        else:
            _qemu_img("convert", "-U", "-O", "raw", _source(disk, inner), str(target))


def _content_bytes(disk: Path, kind: str) -> int:
    """Return how much a disk holds, without its holes: what a raw file of it takes, whatever its virtual size."""
    if kind == RAW:
        return disk.stat().st_size
    # As raw, qemu-img would measure the virtual size, as qcow2 the clusters that are there.
    measured = _qemu_img("measure", "-U", "--output=json", "-O", "qcow2", _source(disk, kind))
    return int(json.loads(measured)["required"])


@contextmanager
def _disk_file(file: Path, kind: str, folder: Path, limit: int) -> Iterator[tuple[Path, str]]:
    """Give the file that is the disk and its kind: the carrier itself, or what is packed in it."""
    if kind not in ("ova", "targz"):
        yield file, kind
        return
    wanted, inner = (".vmdk", "vmdk") if kind == "ova" else ("disk.raw", RAW)
    with TemporaryDirectory(prefix=".unpacking-", dir=folder) as scratch:
        disk = Path(scratch) / "disk"
        try:
            with tarfile.open(file, "r:" if kind == "ova" else "r|gz") as archive:
                # An appliance has the boot disk and a scratch disk; a stream is taken as it comes.
                members = sorted(archive, key=_is_scratch) if kind == "ova" else archive
                _take_member(archive, members, wanted, disk, limit)
        except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise DiskFull(f"there is no room for what is in {file.name}", _ROOM) from error
            raise Foreign(f"{file.name} cannot be unpacked: {error}", "Is it complete?") from error
        yield disk, inner


def _is_scratch(member: tarfile.TarInfo) -> bool:
    return "boot" not in member.name


def _take_member(
    archive: tarfile.TarFile, members: Iterable[tarfile.TarInfo], wanted: str, disk: Path, limit: int
) -> None:
    """Copy the first member of that name, never under a name of the archive's own."""
    for member in members:
        if member.isreg() and member.name.endswith(wanted):
            content = archive.extractfile(member)
            if content is None or member.size > limit:
                break
            require_room(disk.parent, member.size, "what is packed in the archive")
            with disk.open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
            return
    raise Foreign(f"the archive holds no {wanted} of a sensible size")


def _copy(source: Path, target: Path, limit: int) -> None:
    """Copy a file up to a limit, leaving holes where it is all zero."""
    left = limit
    with source.open("rb") as stream, target.open("wb") as out:
        while left > 0 and (piece := stream.read(min(left, 1 << 20))):
            left -= len(piece)
            if piece.strip(b"\0"):
                out.write(piece)
            else:
                out.seek(len(piece), 1)
        out.truncate(out.tell())


def _source(disk: Path, kind: str) -> str:
    """Return how qemu-img is told of a disk: as this kind, with nothing behind it.

    Raises:
        Foreign: The disk's header names other files.
    """
    options: dict[str, object] = {
        "driver": _DRIVERS[kind],
        "file": {"driver": "file", "filename": str(disk.absolute()), "locking": "off"},
    }
    with disk.open("rb") as stream:
        head = stream.read(104).ljust(104, b"\0")
    if kind == "qcow2":
        version, backing = struct.unpack_from(">IQ", head, 4)
        features = struct.unpack_from(">Q", head, 72)[0] if version >= 3 else 0
        if backing or features & ~_QCOW2_HARMLESS:
            raise Foreign(f"{disk.name} leads to other files", "Only a disk that is whole in itself is used.")
        options["backing"] = None
    if kind == "vmdk":
        # Without sectors of its own it is only a description, which names the files that have them.
        if not struct.unpack_from("<Q", head, 12)[0]:
            raise Foreign(f"{disk.name} leads to other files", "Only a disk that is whole in itself is used.")
        options["backing"] = None
    return f"json:{json.dumps(options)}"


def _qemu_img(*words: str, fine: Sequence[int] = (0,)) -> bytes:
    """Run qemu-img and return what it printed, where it ends with one of these statuses."""
    try:
        done = subprocess.run(
            ["qemu-img", *words], capture_output=True, timeout=_PATIENCE_S, check=False, cwd="/"
        )
    except FileNotFoundError as error:
        raise ToolMissing("qemu-img is not installed", "On Debian: apt install qemu-utils") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"qemu-img {words[0]} does not finish") from error
    if done.returncode not in fine:
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["qemu-img failed"])[-1]
        if "No space left" in said:
            raise DiskFull("there is no room for the disk in the image", _ROOM)
        raise Foreign(f"the disk image cannot be read: {said}", "Download it again.")
    return done.stdout
