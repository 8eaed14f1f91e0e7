"""Which CernVM releases exist, which are on this computer, fetch and verify one.

available   what can be had, here or elsewhere      find_local  an image on this computer, by content
standing    how it stands with one release          fetch       download one image, verified
systems     the systems of a repository             judge       what to think of an image's signature
ask_pins    whether a revision can still be had
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vml_jupyter.model import PRODUCTION
from vml_jupyter.release.carrier import ISO, RAW, extract, kind_of
from vml_jupyter.release.catalog import AvailableRelease, available, standing, why_not_offered
from vml_jupyter.release.digests import digest, recall, remember
from vml_jupyter.release.fetch import fetch, fetch_file
from vml_jupyter.release.history import STRATUM_ONES, systems
from vml_jupyter.release.identity import Image, identify, trim
from vml_jupyter.release.judgement import Signature
from vml_jupyter.release.local import find_local, fits, images_among, local_images, recorded_digest
from vml_jupyter.release.names import (
    ImageName,
    format_release,
    parse_bootloader,
    parse_image_name,
    parse_release,
    parse_tag,
    system_key,
)
from vml_jupyter.release.pins import MOVED, Answer, ask_pins
from vml_jupyter.release.repository import Offer, Offered, Repository, ask, is_still_offered
from vml_jupyter.release.repository import recall as recall_offers
from vml_jupyter.release.source import CERNVM, latest, published_digest, published_image
from vml_jupyter.release.trust import Trust, judge, recall_judgement

if TYPE_CHECKING:
    from vml_jupyter.release.signature import verify

__all__ = [
    "CERNVM",
    "ISO",
    "MOVED",
    "PRODUCTION",
    "RAW",
    "STRATUM_ONES",
    "Answer",
    "AvailableRelease",
    "Image",
    "ImageName",
    "Offer",
    "Offered",
    "Repository",
    "Signature",
    "Trust",
    "ask",
    "ask_pins",
    "available",
    "digest",
    "extract",
    "fetch",
    "fetch_file",
    "find_local",
    "fits",
    "format_release",
    "identify",
    "images_among",
    "is_still_offered",
    "judge",
    "kind_of",
    "latest",
    "local_images",
    "parse_bootloader",
    "parse_image_name",
    "parse_release",
    "parse_tag",
    "published_digest",
    "published_image",
    "recall",
    "recall_judgement",
    "recall_offers",
    "recorded_digest",
    "remember",
    "standing",
    "system_key",
    "systems",
    "trim",
    "verify",
    "why_not_offered",
]


def __getattr__(name: str) -> Any:
    """Import what judges signatures when it is asked for: certificates are the dearest import of this room."""
    if name != "verify":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vml_jupyter.release.signature import verify

    return verify
