"""A CernVM version: the bootloader that is downloaded and the system that it boots.

    ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd   the image: flavour, bootloader, architecture
    cernvm-system-4.5.0.1                        the system: an OS snapshot in CernVM-FS

The image alone never fixes the system: without a tag it boots whatever is newest that day.
"""

from __future__ import annotations

import msgspec


class Release(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Name one CernVM version exactly.

    ``system`` is ``X.Y.Z.W``; ``bootloader`` is ``YYYY.MM-R`` and may be empty when only the system
    is known (as inside a container); ``image_sha256`` is 64 hex digits of the image file when known.
    """

    system: str
    bootloader: str = ""
    flavour: str = ""
    repository: str = ""
    path: str = ""
    root_hash: str = ""
    image_sha256: str = ""

    @property
    def tag(self) -> str:
        """Return the CernVM-FS tag that pins the system, or '' where no system is known."""
        return f"cernvm-system-{self.system}" if self.system else ""

    @property
    def label(self) -> str:
        """Return the name people use: ``CernVM 4.5.0.1``."""
        return f"CernVM {self.system}"
