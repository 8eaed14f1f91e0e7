"""Open folders, however deep: so many at a time, the others closed and opened again when they are asked for.

    area (always open) / a / b / ... / z        the newest are open; to open b again: a below the area, then b

No path is ever longer than one name, so areas may be deeper than a path may be long. A folder that is
opened again must be the one it was, by device and inode: another one in its place is not read in its name.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from pathlib import Path
from weakref import ref

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 256  # 1024 is a usual limit, and others need some too

DEEPEST = 4096
"""How many folders may lie one in the other; a tree that goes deeper is nobody's work."""


class Descriptor:
    """An open folder, closed when nobody refers to it any more, or when others need the place.

    The walk needs it until the last subfolder is opened, the readers until the last file is; which of them
    is last is not known before, and an exception must not leak it. All but ``number`` of a pinned one
    belongs to the thread that walks.
    """

    def __init__(self, path: str | Path, parent: Descriptor | None = None) -> None:
        self._number = -1
        self._path = path
        self._parent = parent
        self._pins = 0
        self._identity = (0, 0)
        self._open: OrderedDict[int, ref[Descriptor]] = parent._open if parent else OrderedDict()
        self._enter(parent.number if parent else None)

    @property
    def number(self) -> int:
        """Return the descriptor, opened again if it was closed meanwhile.

        Raises:
            OSError: It is gone, or another folder is in its place.
        """
        if self._number < 0:
            self._reopen()
        return self._number

    def pin(self) -> None:
        """Keep it open until ``unpin``, for other threads to use."""
        self._pins += 1

    def unpin(self) -> None:
        self._pins -= 1

    def _reopen(self) -> None:
        """Open it again from the nearest folder above that is open; the area itself always is."""
        closed = [self]
        above = self._parent
        while above is not None and above._number < 0:
            closed.append(above)
            above = above._parent
        for folder in reversed(closed):
            folder._enter(above._number if above else None)
            above = folder

    def _enter(self, parent: int | None) -> None:
        number = os.open(self._path, _OPEN_FOLDER, dir_fd=parent)
        if any(self._identity) and _identity(number) != self._identity:
            os.close(number)
            raise OSError(errno.ESTALE, "it was replaced while it was read")
        self._number = number
        if self._parent is not None:
            self._open[id(self)] = ref(self)
            self._make_room()

    def _make_room(self) -> None:
        """Close the one that was opened longest ago, but for those that are pinned."""
        if len(self._open) <= _MOST_OPEN:
            return
        for other in [found for found in (known() for known in self._open.values()) if found is not None]:
            if len(self._open) <= _MOST_OPEN:
                return
            if not other._pins and other is not self:
                other._close()

    def _close(self) -> None:
        self._identity = _identity(self._number)
        os.close(self._number)
        self._number = -1
        del self._open[id(self)]

    def __del__(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._open.pop(id(self), None)


def _identity(number: int) -> tuple[int, int]:
    status = os.fstat(number)
    return status.st_dev, status.st_ino
