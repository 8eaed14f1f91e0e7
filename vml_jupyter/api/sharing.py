"""The verbs that share entries between people: export, import, trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.export import Exported
    from vml_jupyter.flows.importing import Imported
    from vml_jupyter.flows.settings import Settings
    from vml_jupyter.model import Entry


def export(
    *entries: str,
    to: str | Path,
    with_release: bool = False,
    leave_out: bool = False,
    allow_secrets: bool = False,
    overwrite: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Exported:
    """Write entries into one file for somebody else, which appears whole or not at all.

    Args:
        entries: Which.
        to: The file.
        with_release: Whether the CernVM images that they need go with them.
        leave_out: Leave out the files in which something looks like a secret.
        allow_secrets: Let them through.
        overwrite: Whether a file that is there may be replaced.
        settings: Which logbook.
        progress: Who listens.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        SecretsFound: Something looks like a secret, and nobody said what to do; says where.
        WouldOverwrite: The file is there.
        ReleaseError: An image is not here and cannot be had.
        DiskFull, HostError: It cannot be written.
    """
    from vml_jupyter.flows import export as flow

    return flow.export(
        bound(settings),
        entries,
        Path(to),
        with_release=with_release,
        leave_out=leave_out,
        allow_secrets=allow_secrets,
        overwrite=overwrite,
        progress=progress,
    )


def import_(
    file: str | Path,
    *,
    with_release: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Imported:
    """Take the entries of an export into the logbook; they are foreign until ``trust``.

    Args:
        file: What ``export`` wrote.
        with_release: Whether the CernVM images in it are taken too.
        settings: Which logbook; it is made if there is none.
        progress: Who listens.

    Raises:
        Usage: There is no such file.
        Foreign: It is no export, was cut or altered, or was made to do harm; says what is wrong.
        DiskFull: There is no room.
        LogbookError: The logbook cannot be opened or written.
    """
    from vml_jupyter.flows.importing import import_file

    return import_file(bound(settings), Path(file), with_release=with_release, progress=progress)


def trust(entry: str, *, settings: Settings | None = None) -> Entry:
    """Trust an imported entry as one's own, and return it.

    Raises:
        NotFound, Ambiguous: There is no such entry.
    """
    from vml_jupyter.flows import trust as flow

    return flow.trust(bound(settings), entry)
