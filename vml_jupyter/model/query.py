"""Which entries of a logbook are asked for."""

from __future__ import annotations

import msgspec


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must hold of an entry; every field that is given must.

    ``search`` are words, each of which is somewhere in the entry's texts, in any case. ``tags`` must all be
    there. ``notebook`` is a path in the area or its last part, ``release`` a system version or its beginning.
    ``since`` and ``until`` are UTC in ISO 8601, cut where one likes: ``until="2026-02"`` has all of February.
    ``limit`` is how many of the newest are wanted, 0 for all. ``outside`` leaves out what was
    captured in a machine. ``forgotten`` asks for the bin instead. ``restic`` asks for the snapshots, too, that restic
    wrote and that are no entries.
    """

    search: str = ""
    tags: tuple[str, ...] = ()
    project: str = ""
    notebook: str = ""
    release: str = ""
    area: str = ""
    outside: bool = False
    since: str = ""
    until: str = ""
    limit: int = 0
    forgotten: bool = False
    restic: bool = False
