"""JSON and MessagePack from elsewhere become records, or one kind of error whatever is wrong with them.

msgspec has three ways to refuse: its own error, ``UnicodeDecodeError`` for what is no UTF-8, and ``RecursionError`` for
what is nested a thousand times, be it in a field that nobody asked for. Everything that was written outside of this
process comes through here, so that one damaged or hostile file is an error of that file and ends nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

_Record = TypeVar("_Record")
_Hook = Callable[[type, Any], Any]
_OTHERS = (UnicodeDecodeError, RecursionError)


class Parser(Generic[_Record]):
    """A decoder of one kind of record.

    Make one when a module is imported, where one thread at a time is: msgspec looks at a record when it is first
    asked for, and crashes where several threads ask at once for one that is not looked at yet.

    Args:
        record: What comes out.
        packed: It is MessagePack; else JSON.
    """

    def __init__(self, record: type[_Record], *, packed: bool = False) -> None:
        self._decoder = msgspec.msgpack.Decoder(record) if packed else msgspec.json.Decoder(record)

    def parse(self, raw: bytes | memoryview) -> _Record:
        """Return the record.

        Raises:
            msgspec.DecodeError: It is no JSON (or MessagePack), or not of this record.
        """
        try:
            return self._decoder.decode(raw)
        except _OTHERS as error:
            raise _told(error) from error


def parse(raw: bytes | str, record: type[_Record], hook: _Hook | None = None) -> _Record:
    """Return the record that JSON tells of, where a decoder of its own is not worth it.

    Args:
        raw: The JSON.
        record: What comes out.
        hook: Makes what msgspec does not know by itself, of a type and a value.

    Raises:
        msgspec.DecodeError: It is no JSON, or not of this record.
    """
    try:
        return msgspec.json.decode(raw, type=record, dec_hook=hook)
    except _OTHERS as error:
        raise _told(error) from error


def is_shallow(value: object, most: int = 100) -> bool:
    """Tell whether JSON of any shape is nested so little that whoever writes it again, wherever, can do so."""
    level: list[object] = [value]
    for _ in range(most):
        lists = [one for one in level if isinstance(one, (dict, list)) and one]
        if not lists:
            return True
        level = [inner for one in lists for inner in (one.values() if isinstance(one, dict) else one)]
    return False


def _told(error: Exception) -> msgspec.DecodeError:
    return msgspec.DecodeError("it is nested too deeply" if isinstance(error, RecursionError) else str(error))
