"""Walk a working area from the top: every folder with what is in it, a folder before its subfolders.

Folders are opened one below the other by descriptor and never through a symbolic link, so a link put
in the place of a folder while the walk is under way leads nowhere. Other file systems that are mounted
below the area are listed as folders and not entered.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vml_jupyter.errors import BadArea
from vml_jupyter.snapshot.ignore import Rules

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200  # each level on the way down is an open descriptor, and 1024 is a usual limit


class Descriptor:
    """An open folder, closed when nobody refers to it any more.

    The walk needs it until the last subfolder is opened, the readers until the last file is; which of them
    is last is not known before, and an exception must not leak it.
    """

    def __init__(self, path: str | Path, parent: Descriptor | None = None) -> None:
        self.number = -1
        self.number = os.open(path, _OPEN_FOLDER, dir_fd=parent.number if parent else None)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


class Item(NamedTuple):
    """Something in a folder that is not left out."""

    name: str
    status: os.stat_result


@dataclass
class Folder:
    """A folder of the area; ``relative`` ends with ``/`` or is '' for the area itself.

    ``items`` holds all but the subfolders. ``descriptor`` is None for a folder that is not entered.
    """

    relative: str
    status: os.stat_result
    descriptor: Descriptor | None = None
    parent: Folder | None = None
    depth: int = 0
    items: list[Item] = field(default_factory=list)
    subfolders: list[Item] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.relative.rstrip("/").rsplit("/", 1)[-1]


@dataclass
class Findings:
    """What the walk and the readers met on the way, for people to be told."""

    ignored: int = 0
    unreadable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def unread(self, relative: str, reason: OSError | str) -> None:
        text = reason if isinstance(reason, str) else reason.strerror
        self.unreadable.append(f"{printable(relative)}: {text}")


def printable(name: str) -> str:
    """Return ``name`` so that it can be shown, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def open_area(area: Path) -> Folder:
    """Open a working area; links on the way to it are followed, none in it.

    Raises:
        BadArea: It is missing, no folder, or cannot be read.
    """
    try:
        descriptor = Descriptor(area.resolve(strict=True))
    except FileNotFoundError:
        raise BadArea(f"{area} does not exist", "Give the folder that the notebook lies in") from None
    except NotADirectoryError:
        raise BadArea(f"{area} is no folder", "Give the folder that the notebook lies in") from None
    except (OSError, RuntimeError) as error:
        raise BadArea(f"{area} cannot be read: {error}", "Check its permissions") from error
    return Folder("", os.fstat(descriptor.number), descriptor)


def walk(top: Folder, rules: Rules, findings: Findings) -> Iterator[Folder]:
    """Yield ``top`` and every folder below it, filled with its items."""
    stack: list[tuple[Folder, Item] | None] = [None]
    while stack:
        step = stack.pop()
        folder = top if step is None else _enter(*step, top.status.st_dev, findings)
        step = None  # the parent may be closed once its last subfolder is open
        _list(folder, rules, findings)
        stack.extend((folder, subfolder) for subfolder in reversed(folder.subfolders))
        yield folder


def _enter(parent: Folder, item: Item, device: int, findings: Findings) -> Folder:
    folder = Folder(f"{parent.relative}{item.name}/", item.status, None, parent, parent.depth + 1)
    if item.status.st_dev != device:
        findings.notes.append(f"{printable(folder.relative)} is another file system and is left empty")
    elif folder.depth > _DEEPEST:
        findings.unread(folder.relative, f"more than {_DEEPEST} folders deep")
    else:
        try:
            folder.descriptor = Descriptor(item.name, parent.descriptor)
        except OSError as error:
            findings.unread(folder.relative, error)
    return folder


def _list(folder: Folder, rules: Rules, findings: Findings) -> None:
    """Fill ``items`` and ``subfolders``; sockets are nobody's content and stay out."""
    if folder.descriptor is None:
        return
    rules.enter(folder.relative, folder.descriptor.number)
    try:
        with os.scandir(folder.descriptor.number) as entries:
            for entry in entries:
                status = _status(entry, folder, findings)
                if status is None or stat.S_ISSOCK(status.st_mode):
                    continue
                is_folder = stat.S_ISDIR(status.st_mode)
                if rules.ignores(folder.relative + entry.name, is_folder):
                    findings.ignored += 1
                else:
                    (folder.subfolders if is_folder else folder.items).append(Item(entry.name, status))
    except OSError as error:
        findings.unread(folder.relative, error)


def _status(entry: os.DirEntry[str], folder: Folder, findings: Findings) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed since it was listed: it is not there, and that is no fault
    except OSError as error:
        findings.unread(folder.relative + entry.name, error)
        return None
