"""JSON from elsewhere becomes records, or one kind of error whatever is wrong with it."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

_Record = TypeVar("_Record")


class Parser(Generic[_Record]):
    """A msgspec decoder that calls text which is no UTF-8 what it is: no JSON.

    Make one when a module is imported, where one thread at a time is: msgspec looks at a record when it is first
    asked for, and crashes where several threads ask at once for one that is not looked at yet.
    """

    def __init__(self, record: type[_Record]) -> None:
        self._decoder = msgspec.json.Decoder(record)

    def parse(self, raw: bytes | memoryview) -> _Record:
        """Return the record.

        Raises:
            msgspec.DecodeError: It is no JSON, or not of this record.
        """
        try:
            return self._decoder.decode(raw)
        except UnicodeDecodeError as error:
            raise msgspec.DecodeError(str(error)) from error
