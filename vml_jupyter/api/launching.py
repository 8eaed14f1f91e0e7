"""The verbs about machines that a launcher starts elsewhere: launcher, launches."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.api.bound import bound
from vml_jupyter.errors import WouldOverwrite
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.launch_records import Launch
    from vml_jupyter.flows.settings import Settings

_SERVER = "http://127.0.0.1:8888/"


class WrittenLauncher(msgspec.Struct, frozen=True, kw_only=True):
    """A launcher's file and its SHA-256; ``expires`` is when its token ends, in seconds since 1970."""

    entry: str
    path: Path
    sha256: str
    expires: int


def launcher(
    entry: str,
    *,
    to: str | Path,
    servers: Sequence[str] = (),
    certificate: str = "",
    release: str | None = None,
    without_pins: Sequence[str] = (),
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> WrittenLauncher:
    """Write the script that starts an entry on a computer without VML; it works once, within an hour.

    Args:
        entry: Which.
        to: The file, which must be new: it holds a token, and only its owner may read it.
        servers: The addresses of this user's Jupyter server, as that computer reaches it; that computer's own port
            8888 when empty, as for one computer or a tunnel.
        certificate: The SHA-256 of the server's certificate, if only that will do.
        release: Another CernVM version than the recorded one.
        without_pins: Repositories that follow their newest revision instead of the recorded one; ``all`` for all.
        settings: Where the logbook and images are.
        progress: Who listens: an image that is not here is downloaded first.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        PinGone: What it recorded cannot be had any more.
        ReleaseError: Its release cannot be had.
        Usage: Its release is a cloud image, which a launcher cannot start.
        WouldOverwrite: The file is there.
    """
    from vml_jupyter.flows.launches import launcher as flow

    path = Path(to)
    try:  # before anything is downloaded, or a token is remembered that nobody will have
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    except FileExistsError as error:
        raise WouldOverwrite(f"{path} is there already", "Name another file.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            made = flow(
                bound(settings),
                entry,
                servers or (_SERVER,),
                certificate=certificate,
                release=release,
                without_pins=without_pins,
                progress=progress,
            )
            stream.write(made.text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return WrittenLauncher(entry=made.entry, path=path, sha256=made.sha256, expires=made.expires)


def launches(*, ended: bool = False, settings: Settings | None = None) -> list[Launch]:
    """Return the machines that launchers started elsewhere, the newest first.

    Args:
        ended: Also those that were removed there lately.
        settings: Where the records are.
    """
    from vml_jupyter.flows.launch_records import REMOVED, Records

    return [each for each in Records(bound(settings)).all() if ended or each.stage != REMOVED]
