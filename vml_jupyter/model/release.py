"""A CernVM version: the bootloader that is downloaded and the system that it boots.

    ucernvm-v4prod.2021.05-1.cernvm.x86_64.hdd   the image: flavour, bootloader, architecture
    cernvm-system-4.5.0.1                        the system: an OS snapshot in CernVM-FS

The image alone never fixes the system: without a tag it boots whatever is newest that day.

    debian-12                                    an ordinary cloud image, by the name that the user gave it
"""

from __future__ import annotations

import msgspec


class Release(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Name one CernVM version exactly.

    ``system`` is ``X.Y.Z.W``; ``bootloader`` is ``YYYY.MM-R`` and may be empty when only the system
    is known (as inside a container); ``image_sha256`` is 64 hex digits of the image file when known. The system of
    an ordinary cloud image is the user's name for it, which begins with a letter; its ``image_sha256`` is always known.
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
        return f"cernvm-system-{self.system}" if self.system and not self.is_cloud else ""

    @property
    def is_cloud(self) -> bool:
        """Tell whether this is no CernVM but an ordinary cloud image that the user added."""
        return self.system[:1].isalpha()

    @property
    def is_micro(self) -> bool:
        """Tell whether it is a micro-CernVM: CernVM 3 and 4, whose system is a tag of a CernVM-FS repository."""
        return self.system.partition(".")[0] in ("3", "4")

    @property
    def label(self) -> str:
        """Return the name people use: ``CernVM 4.5.0.1``, or ``debian-12`` for a cloud image."""
        return self.system if self.is_cloud else f"CernVM {self.system}"
