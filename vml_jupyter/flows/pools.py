"""The CernVM images in libvirt's storage pools: found like those in folders, by content."""

from __future__ import annotations

from vml_jupyter.errors import HostError, MachineError
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import pool_files
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import Image, images_among


def pool_images(settings: Settings, progress: Progress = SILENT) -> list[Image]:
    """Return the images in the pools of the user's hypervisors; a note says which of them does not answer."""
    found: list[Image] = []
    for uri in settings.pool_uris():
        try:
            pools = pool_files(uri, settings.data)
        except (HostError, MachineError) as error:
            progress.note(f"storage pools of {uri} are left out: {error.message}")
            continue
        for name, files in pools.items():
            found += images_among(files, settings.cache, place=f"pool {name} of {uri}")
    return found
