"""The verb about the VML VM: appliance_build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.appliance import BuiltAppliance
    from vml_jupyter.flows.settings import Settings


def appliance_build(
    to: str | Path = "vml-vm.qcow2",
    *,
    overwrite: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> BuiltAppliance:
    """Write the VML VM, a disk image with Debian, JupyterLab and this VML, and its SHA-256 beside it.

    Takes minutes the first time, needs the network and, in the data folder, 3 GB while it works.

    Args:
        to: The file: ``.qcow2`` for QEMU and libvirt, ``.ova`` for VirtualBox and VMware.
        overwrite: Replace it where it is there.
        settings: Whose data folder keeps what was built.
        progress: Who listens.

    Raises:
        Usage: Its name ends in something else.
        NotFound: Its folder is not there.
        WouldOverwrite: It is there.
        ToolMissing, HostError: It cannot be built here.
    """
    from vml_jupyter.flows.appliance import build

    return build(bound(settings), Path(to), overwrite=overwrite, progress=progress)
