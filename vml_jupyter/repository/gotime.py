"""Times in JSON, the way Go writes them: RFC 3339, up to nanoseconds, no trailing zeros.

    1290000000500000000 ns  <->  2010-11-17T13:20:00.5Z

Python's ``datetime`` stops at microseconds, and a file's time does not.
"""

from __future__ import annotations

import calendar
import re
import time
from functools import lru_cache

from vml_jupyter.errors import Foreign

_BILLION = 1_000_000_000
_DAY_S = 86_400
_FIRST_S = -62_167_219_200  # the year 0, before which Go's JSON refuses a time
_LAST_S = 253_402_300_799  # the year 9999
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_COMMON = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z", re.ASCII)


def format_time(time_ns: int) -> str:
    """Return ``time_ns``, nanoseconds since 1970 in UTC, as RFC 3339."""
    seconds, fraction = divmod(time_ns, _BILLION)
    stamp = _format_seconds(min(max(seconds, _FIRST_S), _LAST_S))
    if fraction:
        return f"{stamp}.{fraction:09d}".rstrip("0") + "Z"
    return stamp + "Z"


@lru_cache(maxsize=4096)
def _format_seconds(seconds: int) -> str:
    """Format whole seconds; files that were copied together share them, so most calls are hits."""
    days, rest = divmod(seconds, _DAY_S)
    hours, rest = divmod(rest, 3600)
    year, month, day = _civil(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{hours:02d}:{rest // 60:02d}:{rest % 60:02d}"


def _civil(days: int) -> tuple[int, int, int]:
    """Return year, month, day of the Gregorian calendar; counts in eras of 400 years from 0000-03-01."""
    days += 719_468
    era, day_of_era = divmod(days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def parse_time(text: str) -> int:
    """Return nanoseconds since 1970 in UTC.

    Raises:
        Foreign: ``text`` is not RFC 3339.
    """
    if _COMMON.fullmatch(text):
        return _parse_seconds(text[:19]) * _BILLION + int(text[20:-1].ljust(9, "0"))
    match = _RFC3339.fullmatch(text)
    if match is None or not 1 <= int(match[2]) <= 12:
        raise Foreign(f"{text!r} is no time in RFC 3339")
    fields = [int(field) for field in match.groups()[:6]]
    seconds = calendar.timegm((*fields, 0, 0, 0)) if fields[0] else _timegm_year_zero(fields)
    if match[8]:
        offset = int(match[9]) * 3600 + int(match[10]) * 60
        seconds -= offset if match[8] == "+" else -offset
    return seconds * _BILLION + int((match[7] or "").ljust(9, "0"))


@lru_cache(maxsize=4096)
def _parse_seconds(text: str) -> int:
    """Parse a time without fraction and zone; files that were copied together share them."""
    return parse_time(text + "Z") // _BILLION


def _timegm_year_zero(fields: list[int]) -> int:
    """Do for the year 0, which Go can write, what ``calendar`` does from the year 1 on."""
    return calendar.timegm((400, *fields[1:], 0, 0, 0)) - 146_097 * _DAY_S


def now() -> str:
    """Return the present as RFC 3339."""
    return format_time(time.time_ns())
