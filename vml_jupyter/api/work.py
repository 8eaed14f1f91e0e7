"""The verbs of the main job: snapshot, restore, and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.api.bound import bound
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Environment, Shape
from vml_jupyter.progress import SILENT, Progress

if TYPE_CHECKING:
    from vml_jupyter.flows.context import Context
    from vml_jupyter.flows.image import Written
    from vml_jupyter.flows.preview import Preview
    from vml_jupyter.flows.restore import Restored
    from vml_jupyter.snapshot import Laid


def snapshot(
    area: str | Path = ".",
    *,
    notebook: str | None = None,
    title: str = "",
    note: str = "",
    release: str | None = None,
    tags: Sequence[str] = (),
    project: str | None = None,
    cross_mounts: bool = False,
    in_kernel: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Entry:
    """Write a working area and what it runs in into the logbook; nothing is run or changed.

    Args:
        area: The folder that the notebook works in.
        notebook: The notebook that the entry reopens, relative to the area, as it is on the disk.
        title: One line; by default the notebook's first heading.
        note: Markdown.
        release: The CernVM to go back to, for a computer that is none; detection wins where it succeeds.
        tags: Words to find the entry by.
        project: What it belongs to; by default what the area's last entry belongs to.
        cross_mounts: Whether what is mounted below the area belongs to it.
        in_kernel: Record this process as the notebook's kernel, which otherwise is found by the kernelspec.
        settings: Which logbook.
        progress: Who listens.

    Raises:
        BadArea, BadNotebook: The area or notebook is not one.
        Usage: A text is too long.
        LogbookError: The logbook cannot be opened or written.
        DiskFull: There is no room where the logbook lies.
    """
    from vml_jupyter.flows.capture import capture

    return capture(
        bound(settings),
        _folder(area),
        notebook=notebook,
        title=title,
        note=note,
        release=release,
        tags=tags,
        project=project,
        cross_mounts=cross_mounts,
        in_kernel=in_kernel,
        progress=progress,
    )


def preview(
    area: str | Path = ".",
    *,
    cross_mounts: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Preview:
    """Tell what a snapshot of an area would hold, new bytes included; nothing is written.

    Raises:
        BadArea: The area is not one.
        LogbookError: The logbook cannot be opened.
    """
    from vml_jupyter.flows import preview as flow

    return flow.preview(bound(settings), _folder(area), progress, cross_mounts=cross_mounts)


def restore(
    entry: str,
    *,
    release: str | None = None,
    without_pins: Sequence[str] = (),
    memory_mib: int | None = None,
    cpus: int | None = None,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Restored:
    """Reopen an entry's notebook in a machine of its CernVM; ``restored.url`` is where.

    Args:
        entry: The entry.
        release: Another CernVM than the recorded one.
        without_pins: Repositories that follow their newest revision instead of the recorded one; ``all`` for all.
        memory_mib: The machine's memory; None is the user's default, as for the next one.
        cpus: The machine's processors.
        settings: Which logbook, releases and hypervisor.
        progress: Who listens.

    Raises:
        NotFound: No such entry, or it has no such pin.
        PinGone: What it recorded cannot be had any more; carries what can be asked for instead.
        ReleaseError, HostError, MachineError: What is missing here, with advice; nothing is left of the machine.
    """
    from vml_jupyter.flows import restore as flow

    known = bound(settings)
    shape = Shape(
        cpus=cpus or known.shape.cpus,
        memory_mib=memory_mib or known.shape.memory_mib,
        scratch_gib=known.shape.scratch_gib,
    )
    return flow.restore(
        known, entry, release=release, without_pins=without_pins, shape=shape, progress=progress
    )


def restore_files(
    entry: str, to: str | Path, *, settings: Settings | None = None, progress: Progress = SILENT
) -> Laid:
    """Write an entry's working area into a folder that is new or empty.

    Raises:
        NotFound: No such entry.
        WouldOverwrite: The folder holds something.
        BadArea: It cannot be a folder.
        LogbookDamaged: Something of it is hurt; says which files, and all others were written.
    """
    from vml_jupyter.flows import files as flow

    return flow.restore_files(bound(settings), entry, Path(to), progress)


def environment(
    area: str | Path = ".", *, notebook: str | None = None, settings: Settings | None = None
) -> Environment:
    """Return what an entry taken here would record of its surroundings.

    Args:
        area: The working area.
        notebook: Describe the kernel of this notebook, relative to the area, instead of this process.
        settings: Where answers of other Pythons are remembered.

    Raises:
        BadArea, BadNotebook: The area or notebook is not one.
    """
    from vml_jupyter.flows.surroundings import surroundings

    return surroundings(bound(settings), _folder(area), notebook=notebook)


def context(
    entry: str,
    to: str | Path | None = None,
    *,
    overwrite: bool = False,
    release: str | None = None,
    without_pins: Sequence[str] = (),
    extra: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> Context:
    """Return the context of an entry, for a machine that is made by hand; it holds no token, agent or account.

    Args:
        entry: The entry.
        to: Write it as an ISO into this file, too.
        overwrite: Replace the file if it is there.
        release: Another CernVM than the recorded one.
        without_pins: As for ``restore``.
        extra: More keys of micro-CernVM, e.g. ``{"cvmfs_http_proxy": "http://proxy:3128;DIRECT"}``.
        settings: Which logbook and releases.

    Raises:
        NotFound: No such entry, or it has no such pin.
        ReleaseError: It names no release that can be told.
        WouldOverwrite: The file is there.
    """
    from vml_jupyter.flows import context as flow

    made = flow.context_of(
        bound(settings), entry, release=release, without_pins=without_pins, extra=dict(extra or {})
    )
    if to is not None:
        flow.write(made, Path(to), overwrite=overwrite)
    return made


def image(
    entry: str,
    to: str | Path,
    *,
    overwrite: bool = False,
    settings: Settings | None = None,
    progress: Progress = SILENT,
) -> Written:
    """Write the working area of an entry as a disk image, ISO 9660 with Rock Ridge: what its machines are served.

    Args:
        entry: The entry.
        to: The file.
        overwrite: Replace the file if it is there.
        settings: Which logbook.
        progress: Is told stages and bytes.

    Raises:
        NotFound: No such entry, or no folder for the file.
        WouldOverwrite: Something is there.
        DiskFull: It does not fit.
        LogbookDamaged: A part of the entry is missing or hurt.
    """
    from vml_jupyter.flows.image import write

    return write(bound(settings), entry, Path(to), overwrite=overwrite, progress=progress)


def _folder(area: str | Path) -> Path:
    return Path(area).expanduser().absolute()
