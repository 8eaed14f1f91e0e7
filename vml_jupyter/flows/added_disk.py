"""The disk from which a machine of an added image boots: the file itself, or what was taken out of it.

debian-12.qcow2 -> <data>/releases/disks/<sha256 of the file>.raw            once; a raw file is used where it lies
                   <data>/releases/disks/<sha256 of the file>.raw.sha256     what it must be whenever it is used
"""

from __future__ import annotations

import secrets
from pathlib import Path

from vml_jupyter.errors import Foreign, ReleaseNotFound
from vml_jupyter.flows.added import digest_file, find_added, provide_added, root_file
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Release
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import ISO, RAW, digest, extract, kind_of, recorded_digest, remember
from vml_jupyter.replacing import replace_file

_SECTOR_BYTES = 512
_BOOT_SIGNATURE = b"\x55\xaa"


def provide_root(settings: Settings, release: Release, progress: Progress = SILENT) -> Path:
    """Return the raw disk of an added image; taken out of another kind of file once, and again where it was changed.

    Raises:
        ReleaseNotFound: No image of that name and checksum was added here.
        Foreign, ToolMissing, HostError: Its disk cannot be taken out, or none can boot from it.
        DigestMismatch, RepositoryUnreachable, DiskFull: As for ``provide_added``.
    """
    image = find_added(settings, release.system)
    if image is None or image.sha256 != release.image_sha256:
        raise ReleaseNotFound(
            f"no image {release.system} with SHA-256 {release.image_sha256} was added on this computer",
            f"Add it (`vml releases add {release.system} URL --sha256 HEX`), or choose another with --release.",
        )
    file = provide_added(settings, image, progress)
    kind = kind_of(file)
    if kind == ISO:
        raise Foreign(f"{file.name} is a CD, not the disk of a system", "Add the image for clouds instead.")
    disk = file if kind == RAW else _taken_out(settings, file, kind, root_file(settings, image), progress)
    _require_boot_sector(disk, file.name)
    return disk


def _taken_out(settings: Settings, file: Path, kind: str, disk: Path, progress: Progress) -> Path:
    if disk.is_file():
        recorded = recorded_digest(disk)
        if recorded and digest(disk, settings.cache, progress) == recorded:
            return disk
        if recorded:  # a disk without one was taken out before they were kept, and is not known to be changed
            progress.note(f"{disk} is not used: it is not what was taken out of {file.name}")
    progress.note(f"{file.name} is a {kind} file: its disk is taken out")
    disk.parent.mkdir(parents=True, exist_ok=True)
    draft = disk.with_name(f".{secrets.token_hex(6)}.part")
    try:
        extract(file, kind, draft)
        sha256 = digest(draft)
        # First what it must be: a disk without that is taken out again, and never the other way round.
        replace_file(digest_file(disk), [f"{sha256}\n".encode()], lasts=True)
        draft.replace(disk)
        remember(disk, sha256, settings.cache)
    finally:
        draft.unlink(missing_ok=True)
    return disk


def _require_boot_sector(disk: Path, name: str) -> None:
    """Refuse what no BIOS boots, before a machine is waited for; a disk with a GPT has the signature as well."""
    with disk.open("rb") as file:
        sector = file.read(_SECTOR_BYTES)
    if not sector.endswith(_BOOT_SIGNATURE) or len(sector) != _SECTOR_BYTES:
        raise Foreign(
            f"{name} is no disk that a machine could boot from: its first sector is no boot sector",
            "Add the image that is published for clouds (often called GenericCloud), unpacked.",
        )
