"""The VML VM as a file to hand out: built where it is not there yet, then copied or packed, with its SHA-256 beside it.

data folder -> image -> FILE.qcow2 | FILE.ova     whole or not at all
                        FILE.sha256               as `sha256sum --check` reads it
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import msgspec

from vml_jupyter import appliance
from vml_jupyter.building.recipes import sha256_of
from vml_jupyter.errors import NotFound, Usage, WouldOverwrite
from vml_jupyter.flows.settings import Settings
from vml_jupyter.progress import SILENT, Progress

_KINDS = (".qcow2", ".ova")


class BuiltAppliance(msgspec.Struct, frozen=True, kw_only=True):
    """The file that was written, and what names its bytes."""

    path: Path
    bytes: int
    sha256: str


def build(
    settings: Settings, to: Path, *, overwrite: bool = False, progress: Progress = SILENT
) -> BuiltAppliance:
    """Write the VML VM to a file; takes minutes the first time, and seconds where it was built before.

    Args:
        settings: Whose data folder keeps what was built.
        to: The file: ``.qcow2`` for QEMU and libvirt, ``.ova`` for VirtualBox and VMware.
        overwrite: Replace it, and the digest beside it, where they are there.
        progress: Who listens.

    Raises:
        Usage: Its name ends in something else.
        NotFound: Its folder is not there.
        WouldOverwrite: It is there.
        ToolMissing, HostError: It cannot be built here.
    """
    to = to.absolute()
    beside = to.with_name(f"{to.name}.sha256")
    if to.suffix not in _KINDS:
        raise Usage(f"{to.name} is neither a .qcow2 nor an .ova file", "Name what it is to be by its ending.")
    if not to.parent.is_dir():
        raise NotFound(f"{to.parent} is no folder", "Make it first.")
    for file in (to, beside):
        if file.is_dir() or (file.exists() and not overwrite):
            raise WouldOverwrite(f"{file} is there already", "Name another file, or say --force.")
    image = appliance.build(settings.data, progress)
    with TemporaryDirectory(prefix=".vml-appliance-", dir=to.parent) as folder:
        draft = Path(folder) / f"draft-{secrets.token_hex(4)}"
        if to.suffix == ".ova":
            appliance.write_ova(image, draft, Path(folder), progress)
        else:
            progress.stage("appliance-copy", f"Writing {to.name}")
            copyfile(image, draft)
        sha256, size = sha256_of(draft), draft.stat().st_size
        digest = Path(folder) / beside.name
        digest.write_text(f"{sha256}  {to.name}\n")
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        digest.replace(beside)
        draft.replace(to)
    return BuiltAppliance(path=to, bytes=size, sha256=sha256)
