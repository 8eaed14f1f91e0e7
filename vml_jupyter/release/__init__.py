"""Which CernVM releases exist, which are on this computer, fetch and verify one.

available   what can be had, here or elsewhere      find_local  an image on this computer, by content
latest      the newest bootloader of a repository   fetch       download one image, verified
systems     the systems of a repository             verify      judge an image's signature
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vml_jupyter.release.catalog import AvailableRelease, available
from vml_jupyter.release.fetch import fetch
from vml_jupyter.release.history import PRODUCTION, STRATUM_ONES, systems
from vml_jupyter.release.local import Image, find_local, identify, local_images
from vml_jupyter.release.names import (
    ImageName,
    format_release,
    parse_bootloader,
    parse_image_name,
    parse_release,
    parse_tag,
    system_key,
)
from vml_jupyter.release.source import CERNVM, latest, published_digest, published_image

if TYPE_CHECKING:
    from vml_jupyter.release.signature import Signature, verify

__all__ = [
    "CERNVM",
    "PRODUCTION",
    "STRATUM_ONES",
    "AvailableRelease",
    "Image",
    "ImageName",
    "Signature",
    "available",
    "fetch",
    "find_local",
    "format_release",
    "identify",
    "latest",
    "local_images",
    "parse_bootloader",
    "parse_image_name",
    "parse_release",
    "parse_tag",
    "published_digest",
    "published_image",
    "system_key",
    "systems",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Import what judges signatures when it is asked for: certificates are the dearest import of this room."""
    if name not in ("Signature", "verify"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vml_jupyter.release import signature

    return getattr(signature, name)
