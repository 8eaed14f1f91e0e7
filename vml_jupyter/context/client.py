"""Configure the CernVM-FS client of a machine, so that it mounts repositories as they were.

    etc/cvmfs/config.d/sft.cern.ch.local      CVMFS_ROOT_HASH=ab...       or, without one, CVMFS_REPOSITORY_TAG=...

The same files reach a machine in three ways, as its readers differ: micro-CernVM unpacks them with the pickup, before
anything is mounted; cloud-init writes them (``write_files``), also where there is no ISO; amiconfig, which can write
no files, is told to mount those repositories. A file ``.local`` beats what the repository's own ``.conf`` says.
Source: CernVM-FS's documentation, "Client configuration" and its appendix of parameters; amiconfig's plugin cernvm.
"""

from __future__ import annotations

from collections.abc import Iterable

from vml_jupyter.model import Pin

FOLDER = "etc/cvmfs/config.d"


def client_files(pins: Iterable[Pin]) -> dict[str, bytes]:
    """Return content by path, relative to a machine's root, of the files that pin these repositories."""
    return {f"{FOLDER}/{pin.fqrn}.local": f"{_setting(pin)}\n".encode("ascii") for pin in pins}


def write_files(pins: Iterable[Pin]) -> str:
    """Return cloud-config that writes the same files; '' for no pins."""
    # One line each: a hundred repositories must fit into 16 kB.
    lines = [f'  - {{path: /{FOLDER}/{pin.fqrn}.local, content: "{_setting(pin)}\\n"}}\n' for pin in pins]
    return f"write_files:\n{''.join(lines)}" if lines else ""


def mounting(pins: Iterable[Pin]) -> str:
    """Return the sections with which amiconfig mounts these repositories; '' for no pins."""
    names = ",".join(pin.fqrn for pin in pins)
    return f"[amiconfig]\nplugins=cernvm\n[cernvm]\nrepositories={names}\n" if names else ""


def _setting(pin: Pin) -> str:
    return f"CVMFS_ROOT_HASH={pin.root_hash}" if pin.root_hash else f"CVMFS_REPOSITORY_TAG={pin.tag}"
