"""The files in libvirt's storage pools on this computer.

    pool -> its folder, listed by us (libvirt knows a file only once the pool is refreshed), and its volumes' paths

A session's pools are only asked for where one is defined, so that looking for an image starts no daemon in vain.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import msgspec
import platformdirs

from vml_jupyter.machine.host import Hypervisor
from vml_jupyter.machine.session import SESSION


class PoolFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files in one pool, also those that only libvirt knows; ``unlisted`` says why its folder cannot be listed."""

    files: tuple[Path, ...] = ()
    folder: str = ""
    unlisted: str = ""


def pool_files(uri: str, data: Path) -> dict[str, PoolFiles]:
    """Return the files of each storage pool, by the pool's name; none for a hypervisor on another computer.

    Args:
        uri: A libvirt URI.
        data: Our data folder, for the session daemon that root needs.

    Raises:
        ToolMissing, LibvirtUnreachable: libvirt is not installed, or does not answer.
    """
    if urlsplit(uri).netloc or (uri == SESSION and not _session_has_pools(data)):
        return {}
    with Hypervisor.connect(uri, data) as hypervisor:
        return {name: _files(xml, volumes) for name, xml, volumes in hypervisor.pools()}


def _session_has_pools(data: Path) -> bool:
    config = data / "libvirt" if os.geteuid() == 0 else Path(platformdirs.user_config_path())
    return any((config / "libvirt" / "storage").glob("*.xml"))


def _files(xml: str, volumes: list[str]) -> PoolFiles:
    found = {Path(path) for path in volumes}
    pool = ET.fromstring(xml)  # noqa: S314 - libvirt wrote it
    folder, unlisted = pool.findtext("target/path") or "", ""
    if folder and pool.get("type") in ("dir", "fs", "netfs"):
        try:
            found.update(Path(folder).iterdir())
        except OSError as error:  # often root's own
            unlisted = error.strerror or str(error)
    return PoolFiles(files=tuple(sorted(found)), folder=folder, unlisted=unlisted)
