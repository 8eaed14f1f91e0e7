"""A snapshot as a read-only disk image that is computed, not stored: ISO 9660 with Rock Ridge.

    AreaImage(source, tree)    .size .etag .read(offset, length) .write(path)

The format is drawn byte by byte in docs/area-image.md.
"""

from vml_jupyter.snapshot.image.area import AreaImage
from vml_jupyter.snapshot.image.kept import Kept
from vml_jupyter.snapshot.image.source import Source
from vml_jupyter.snapshot.image.volume import LABEL

__all__ = ["LABEL", "AreaImage", "Kept", "Source"]
