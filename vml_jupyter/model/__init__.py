"""Frozen records that cross rooms, and their JSON. No I/O, no clock.

Everything here is a ``msgspec.Struct``: ``msgspec.json.encode`` writes it, ``msgspec.json.decode(raw,
type=...)`` reads it and refuses what does not fit. Fields unknown to an older version are ignored
when read, so records may grow.
"""

from vml_jupyter.model.entry import Entry, new_entry_id
from vml_jupyter.model.environment import Checkout, Environment, Mount, Software
from vml_jupyter.model.machine import NOT_RECORDED, Arrival, Difference, Machine, Shape, StandardSnapshot
from vml_jupyter.model.pin import PRODUCTION, Pin, pins_of, system_pin, unpinned
from vml_jupyter.model.query import Query
from vml_jupyter.model.release import Release

__all__ = [
    "NOT_RECORDED",
    "PRODUCTION",
    "Arrival",
    "Checkout",
    "Difference",
    "Entry",
    "Environment",
    "Machine",
    "Mount",
    "Pin",
    "Query",
    "Release",
    "Shape",
    "Software",
    "StandardSnapshot",
    "new_entry_id",
    "pins_of",
    "system_pin",
    "unpinned",
]
