"""A process that reads files for a snapshot: open, read, hash, compress, seal, pack, one order after another.

    main(number of the socket), begun by ``crew``

It is told what to read over the socket (``wire``) and makes packs in a folder; it knows neither the store nor the
index. It ends when the snapshot does, however that ends, because the line is closed then.
"""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import compress
from pathlib import Path

from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.filling import Filler
from vml_jupyter.snapshot.content import Load, read_regular_files
from vml_jupyter.snapshot.wire import (
    Answer,
    Closed,
    Failure,
    Line,
    Offer,
    Order,
    Reading,
    Ready,
    Setting,
)

_YOUNG = 50_000


class _CannotPack(Exception):
    """Why the files of packs cannot be written; not to be taken for a fault of what is read."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass
class _Offered:
    """Blobs of which it was asked which are new, and what is to be done once they are saved."""

    ids: list[str]
    blobs: Sequence[bytes | memoryview]
    then: Callable[[list[tuple[str, int]]], object]


class _Asking:
    """A ``Saver`` that asks over the line which blobs are new, and packs them."""

    def __init__(self, line: Line, filler: Filler) -> None:
        self._line = line
        self._filler = filler
        self._early: deque[tuple[Order, list[int]]] = deque()
        self._offered: deque[_Offered] = deque()

    def save_blob(self, data: bytes | memoryview) -> tuple[str, int]:
        return self.save_blobs([data])[0]

    def save_blobs(self, blobs: Sequence[bytes | memoryview]) -> list[tuple[str, int]]:
        """Save blobs now, and before them all that were offered earlier."""
        saved: list[tuple[str, int]] = []
        self.offer(blobs, saved.extend)
        while self._offered:
            self._hear()
        return saved

    def offer(
        self, blobs: Sequence[bytes | memoryview], then: Callable[[list[tuple[str, int]]], object]
    ) -> None:
        """Have blobs saved as soon as the answer is there; ``then`` is told of them."""
        offer = Offer.of([hashlib.sha256(blob).digest() for blob in blobs], self._filler.full())
        self._offered.append(_Offered(offer.ids(), blobs, then))
        self._line.send(offer)

    def order(self) -> tuple[Order, list[int]]:
        """Return what to do next, with the folders that go with it; pack what is answered until then."""
        while not self._early:
            self._hear()
        return self._early.popleft()

    def _hear(self) -> None:
        message, folders = self._line.order()
        if isinstance(message, Order):
            self._early.append((message, folders))
        elif isinstance(message, Answer):
            self._pack(self._offered.popleft(), message.wanted)
        else:
            raise Closed

    def _pack(self, offered: _Offered, wanted: Sequence[bool]) -> None:
        ids, blobs = list(compress(offered.ids, wanted)), list(compress(offered.blobs, wanted))
        try:
            lengths = iter(self._filler.add(ids, blobs))
        except OSError as error:
            raise _CannotPack(error) from error
        offered.then([(id, next(lengths) if new else 0) for id, new in zip(offered.ids, wanted, strict=True)])


def main(number: str) -> None:
    """Serve the snapshot at the other end of socket ``number`` until there is no more to do."""
    # Ctrl-C goes to every process of the terminal; the snapshot decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_YOUNG)  # what one file leaves behind has no cycles
    line = Line(socket.socket(fileno=int(number)))
    with suppress(Closed):
        try:
            setting, _ = line.order()
            if isinstance(setting, Setting):
                _serve(line, setting)
        except _CannotPack as failure:
            line.send(Failure(failure.error.errno or 0, failure.error.strerror or str(failure)))


def _serve(line: Line, setting: Setting) -> None:
    """Read what is ordered while the blobs of the order before are being asked about."""
    papers = setting.papers
    filler = Filler(Key.from_bytes(papers.key), papers.compress, Path(setting.folder), setting.prefix)
    saver = _Asking(line, filler)
    line.send(Ready())
    while True:
        order, folders = saver.order()
        try:
            load = Load(
                [
                    read
                    for folder, names in zip(folders, order.names, strict=True)
                    for read in read_regular_files(saver, folder, names)
                ]
            )
        finally:
            for folder in folders:
                os.close(folder)
        saver.offer(load.blobs, partial(_report, line, filler, load))


def _report(line: Line, filler: Filler, load: Load, saved: list[tuple[str, int]]) -> None:
    """Tell what became of an order; one of nothing is the last."""
    reads = load.saved_as(saved)
    try:
        packs = filler.full() if reads else filler.close()
    except OSError as error:
        raise _CannotPack(error) from error
    line.send(Reading(reads, packs))
