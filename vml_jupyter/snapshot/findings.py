"""What is met in a working area: things in a folder, and what people should know of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import msgspec

from vml_jupyter.progress import Progress


class Item(msgspec.Struct, gc=False):
    """Something in a folder that is not left out."""

    name: str
    status: os.stat_result


@dataclass
class Findings:
    """What the walk and the readers met on the way, for people to be told."""

    ignored: int = 0
    unreadable: list[str] = field(default_factory=list)
    changing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def unread(self, relative: str, reason: OSError | str) -> None:
        text = reason if isinstance(reason, str) else reason.strerror
        self.unreadable.append(f"{printable(relative)}: {text}")

    def tell(self, progress: Progress) -> None:
        """Tell what nobody else counts."""
        for note in self.notes:
            progress.note(note)
        for name in self.changing:
            progress.note(f"{name} changed while it was read, three times over")


def printable(name: str) -> str:
    """Return ``name`` so that it can be shown, whatever bytes it has."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
