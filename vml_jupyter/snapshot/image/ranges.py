"""Which parts of a file a ``Range`` header asks for.

bytes=0-99     (0, 100)          bytes=100-     (100, size)
bytes=-5       (size - 5, size)  bytes=0-0,9-9  (0, 1) (9, 10)
another unit, or nonsense: None, so the whole file is sent. Source: RFC 9110, 14.
"""

from __future__ import annotations

import re

MAX_PARTS = 16
MAX_HEADER = 512
_ONE = re.compile(r"[ \t]*(\d{0,19})-(\d{0,19})[ \t]*", re.ASCII)


class Unsatisfiable(ValueError):
    """None of the parts exist, or they are more than any hypervisor asks for."""


def parse_ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """Return the parts (first, behind last) in the order asked for, or None where the header means nothing.

    Raises:
        Unsatisfiable: Answer 416.
    """
    unit, equals, rest = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    wanted = rest.split(",")
    if len(wanted) > MAX_PARTS or len(header) > MAX_HEADER:
        raise Unsatisfiable("too many parts")
    parts = []
    for text in wanted:
        match = _ONE.fullmatch(text)
        if (
            match is None
            or not (match[1] or match[2])
            or (match[1] and match[2] and int(match[2]) < int(match[1]))
        ):
            return None
        start, stop = _part(match[1], match[2], size)
        if start < stop:
            parts.append((start, stop))
    if not parts or sum(stop - start for start, stop in parts) > size:
        raise Unsatisfiable("no such part")
    return parts


def _part(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size
