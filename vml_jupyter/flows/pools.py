"""The CernVM images in libvirt's storage pools: found like those in folders, by content."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from vml_jupyter.errors import HostError, MachineError
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import PoolFiles, pool_files
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import Image, images_among

_NAMED = 5


def pool_images(settings: Settings, progress: Progress = SILENT) -> list[Image]:
    """Return the images in the pools of the user's hypervisors; notes say what does not answer or cannot be read."""
    found: list[Image] = []
    for uri in settings.pool_uris():
        try:
            pools = pool_files(uri, settings.data)
        except (HostError, MachineError) as error:
            progress.note(f"storage pools of {uri} are left out: {error.message}")
            continue
        for name, pool in pools.items():
            for note in _left_out(pool):
                progress.note(f"pool {name} of {uri}: {note}")
            found += images_among(pool.files, settings.cache, place=f"pool {name} of {uri}")
    return found


def _left_out(pool: PoolFiles) -> Iterator[str]:
    """Yield what of a pool cannot be looked at, by reason."""
    if pool.unlisted:
        yield f"its folder {pool.folder} cannot be listed ({pool.unlisted}); only what libvirt tells of it is known"
    reasons: dict[str, list[str]] = {}
    for file in pool.files:
        if reason := _why_unreadable(file):
            reasons.setdefault(reason, []).append(str(file))
    for reason, files in reasons.items():
        more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
        yield f"not looked at, since they cannot be read ({reason}): {', '.join(files[:_NAMED])}{more}"


def _why_unreadable(file: Path) -> str:
    """Return why a file cannot be read; '' where it can, or where there is none, as in pools on other servers."""
    try:
        if stat.S_ISREG(file.stat().st_mode):
            with file.open("rb") as stream:
                stream.read(1)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""
