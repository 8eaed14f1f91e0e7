"""What is met in a working area: things in a folder, and what people should know of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import msgspec


class Item(msgspec.Struct, gc=False):
    """Something in a folder that is not left out."""

    name: str
    status: os.stat_result


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
