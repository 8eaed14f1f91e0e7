"""Take in the files that a machine reads out: bytes and pieces become blobs, and a blob list per file.

    Opened, bytes, Same(2, 1), bytes, ..., Closed   ->   Taken: row as it is now, blob ids, bytes, bytes stored

What a file has in common with the one before is named, not sent, so a line that was added to a large file costs its
last piece. A run of new bytes is cut where its content says so, like any file; small files are saved together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from vml_jupyter.errors import Foreign, LimitReached
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot.content import save_in_turn
from vml_jupyter.snapshot.pieces import SMALL_BYTES
from vml_jupyter.snapshot.told import Closed, Opened, Part, Row, Same, Wish

_TOGETHER_FILES = 256
_TOGETHER_BYTES = 2 << 20


@dataclass(frozen=True)
class Read:
    """A wish that came true; without a row it could not be read, and ``error`` says why."""

    number: int
    row: Row | None = None
    content: Sequence[str] = ()
    size: int = 0
    new_bytes: int = 0
    changed: bool = False
    error: str = ""


@dataclass
class _Growing:
    """A file whose bytes are coming; ``run`` are those since the last known piece, ``spool`` where they are many."""

    number: int
    row: Row
    content: list[str] = field(default_factory=list)
    size: int = 0
    new_bytes: int = 0
    run: bytearray = field(default_factory=bytearray)
    spool: IO[bytes] | None = None


class Intake:
    """Saves what comes.

    Args:
        repository: Where it goes; its lock is held.
        folder: Where a large file may lie for a moment; a file without a name.
        limit_bytes: How much may come, known pieces among it.
    """

    def __init__(self, repository: Repository, folder: Path, limit_bytes: int) -> None:
        self._repository = repository
        self._folder = folder
        self._limit = limit_bytes
        self._left = limit_bytes
        self._small: list[_Growing] = []
        self._small_bytes = 0
        self.received_bytes = 0

    def read(self, wishes: Sequence[Wish], parts: Iterable[Part]) -> Iterator[Read]:
        """Yield each wish once, in any order.

        Raises:
            Foreign: What comes makes no sense.
            LimitReached: More comes than was allowed.
        """
        file: _Growing | None = None
        closed: set[int] = set()
        for part in parts:
            if isinstance(part, Opened):
                if file is not None or part.number in closed or not 0 <= part.number < len(wishes):
                    raise Foreign("the machine reads out a file that was not asked for")
                file = _Growing(part.number, part.row)
            elif isinstance(part, Closed):
                if part.number in closed or (file is not None and part.number != file.number):
                    raise Foreign("the machine ends a file that it did not begin")
                closed.add(part.number)
                yield from self._end(file, part)
                file = None
            elif file is None:
                raise Foreign("the machine sends bytes that belong to no file")
            elif isinstance(part, Same):
                self._take_known(file, part, wishes[file.number])
            else:
                self._take_bytes(file, part)
        if len(closed) != len(wishes) or file is not None:
            raise Foreign("the machine did not read out all that it was asked for")
        yield from self._save_small()

    def _take_known(self, file: _Growing, part: Same, wish: Wish) -> None:
        pieces = wish.pieces[part.first : part.first + part.count]
        if part.first < 0 or part.count < 1 or len(pieces) != part.count:
            raise Foreign("the machine names a piece of a file that was not named to it")
        self._end_run(file)
        for length, blob in pieces:
            self._spend(length)
            file.content.append(blob)
            file.size += length

    def _take_bytes(self, file: _Growing, data: bytes) -> None:
        self._spend(len(data))
        self.received_bytes += len(data)
        file.run += data
        if file.spool is None and len(file.run) > SMALL_BYTES:
            file.spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when it was cut
        if file.spool is not None:
            file.spool.write(file.run)
            file.run.clear()

    def require(self, size_bytes: int) -> None:
        """Refuse what is too much before any of it is read.

        Raises:
            LimitReached: More than was allowed.
        """
        if size_bytes > self._left:
            raise LimitReached(
                f"{size_bytes >> 20} MiB are to be read out of the machine, and {self._limit >> 20} are allowed",
                "Keep large results out of the working area or list them in .vmlignore; else allow more (--at-most).",
            )

    def _spend(self, count: int) -> None:
        self.require(count)
        self._left -= count

    def _end(self, file: _Growing | None, part: Closed) -> Iterator[Read]:
        if file is None or part.error:
            if file is not None and file.spool is not None:
                file.spool.close()
            yield Read(part.number, error=part.error or "nothing was read")
        elif part.changed or file.spool is not None or file.content or not file.run:
            self._end_run(file)
            yield _done(file, part.changed)
        else:
            self._small.append(file)
            self._small_bytes += len(file.run)
            if len(self._small) >= _TOGETHER_FILES or self._small_bytes >= _TOGETHER_BYTES:
                yield from self._save_small()

    def _save_small(self) -> Iterator[Read]:
        saved = self._repository.save_blobs([bytes(file.run) for file in self._small])
        for file, (blob, new_bytes) in zip(self._small, saved, strict=True):
            file.content.append(blob)
            file.size, file.new_bytes = len(file.run), new_bytes
            yield _done(file, False)
        self._small, self._small_bytes = [], 0

    def _end_run(self, file: _Growing) -> None:
        """Save the bytes since the last known piece."""
        if file.spool is not None:
            with file.spool as spool:
                file.spool = None
                spool.flush()
                size = spool.seek(0, 2)
                spool.seek(0)
                blobs, read, new_bytes = save_in_turn(self._repository, spool.fileno(), size)
        elif file.run:
            blob, new_bytes = self._repository.save_blob(bytes(file.run))
            blobs, read = [blob], len(file.run)
            file.run.clear()
        else:
            return
        file.content += blobs
        file.size += read
        file.new_bytes += new_bytes


def _done(file: _Growing, changed: bool) -> Read:
    return Read(file.number, file.row, file.content, file.size, file.new_bytes, changed)
