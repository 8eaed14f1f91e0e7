"""What an export holds beside the entry, so that its launcher can start it without any server.

    launch.py                  the launcher, with no server's address in it
    machine/launch.json        {"entry", "machine", "placeholder", "pickup_offset", "pickup_bytes"}
    machine/context.iso        what the machine is told, with the placeholder where its token belongs
    machine/area.iso           its working area

Whoever has the file could know a token that is in it, so there is none: the launcher makes one and puts it into the
placeholder's place. For that the context's archive is stored and not compressed: the token stands there as it is.
"""

from __future__ import annotations

import gzip
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.flows.areas import GUEST_ID
from vml_jupyter.flows.context import chosen_pins
from vml_jupyter.flows.guest_context import guest_config, write_context
from vml_jupyter.flows.launches import launcher
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, new_entry_id
from vml_jupyter.progress import Progress
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.archive import Archive
from vml_jupyter.snapshot.image import AreaImage

_PIECE = 4 << 20


def add_machine(
    settings: Settings,
    archive: Archive,
    repository: Repository,
    entry: Entry,
    tree: str,
    root: Node,
    progress: Progress,
) -> None:
    """Add all that a launcher needs but the image.

    Args:
        settings: Where the logbook and images are.
        archive: Where it goes.
        repository: The one in the archive.
        entry: The entry.
        tree: Its working area, in that repository.
        root: The node of the area's own folder, whose mode and times the disk shows.
        progress: Who listens.

    Raises:
        PinGone: What it recorded cannot be had any more.
        ReleaseError: Its release cannot be had.
        Foreign: The working area is larger than 8 GiB.
    """
    progress.stage("machine", "Writing what its machine needs")
    archive.add("launch.py", [launcher(settings, entry.id, (), progress=progress).text.encode()], 0o700)
    machine, placeholder = new_entry_id(), secrets.token_urlsafe(32)
    context, offset, length = _context(settings, entry, machine, placeholder)
    told = {
        "entry": entry.id,
        "machine": machine,
        "placeholder": placeholder,
        "pickup_offset": offset,
        "pickup_bytes": length,
    }
    archive.add("machine/launch.json", [msgspec.json.encode(told)])
    archive.add("machine/context.iso", [context])
    with AreaImage(repository, tree, uid=GUEST_ID, gid=GUEST_ID, root=root) as image:
        pieces = (image.read(at, min(_PIECE, image.size - at)) for at in range(0, image.size, _PIECE))
        for done in archive.add_large("machine/area.iso", image.size, pieces):
            progress.advance(done, image.size, "bytes")


def _context(settings: Settings, entry: Entry, machine: str, placeholder: str) -> tuple[bytes, int, int]:
    """Return the context, and where in it the archive lies that holds the placeholder."""
    release = release_of(settings, entry, None)
    stored: list[bytes] = []

    def store(pickup: bytes) -> bytes:
        stored.append(gzip.compress(gzip.decompress(pickup), 0, mtime=0))
        return stored[0]

    with TemporaryDirectory(prefix="vml-context-") as folder:
        config = guest_config(entry, release, machine, placeholder, "/", "")
        pins = chosen_pins(entry.environment, ())
        context = write_context(settings, Path(folder), config, release, pins, store).read_bytes()
    if context.count(stored[0]) != 1 or stored[0].count(placeholder.encode()) != 1:
        raise Foreign("the context cannot be prepared for a launcher", "Export without --with-release.")
    return context, context.index(stored[0]), len(stored[0])
