"""A process that reads files for a snapshot: open, read, hash, compress, seal, pack, one file after another.

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
from collections.abc import Sequence
from pathlib import Path

from vml_jupyter.repository.cipher import Key
from vml_jupyter.repository.filling import Filler
from vml_jupyter.snapshot.content import read_regular_files
from vml_jupyter.snapshot.wire import (
    Answer,
    Closed,
    Failure,
    Line,
    Offer,
    Order,
    Read,
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


class _Asking:
    """A ``Saver`` that asks over the line which blobs are new, and packs them."""

    def __init__(self, line: Line, filler: Filler) -> None:
        self._line = line
        self._filler = filler
        self._early: deque[tuple[Order, list[int]]] = deque()

    def save_blob(self, data: bytes | memoryview) -> tuple[str, int]:
        return self.save_blobs([data])[0]

    def save_blobs(self, blobs: Sequence[bytes | memoryview]) -> list[tuple[str, int]]:
        if not blobs:
            return []
        offer = Offer.of([hashlib.sha256(blob).digest() for blob in blobs], self._filler.full())
        ids = offer.ids()
        self._line.send(offer)
        new = [place for place, wanted in enumerate(self._answer().wanted) if wanted]
        try:
            lengths = self._filler.add([ids[place] for place in new], [blobs[place] for place in new])
        except OSError as error:
            raise _CannotPack(error) from error
        stored = dict(zip(new, lengths, strict=True))
        return [(id, stored.get(place, 0)) for place, id in enumerate(ids)]

    def order(self) -> tuple[Order, list[int]]:
        """Return what to do next, with the folders that go with it."""
        if self._early:
            return self._early.popleft()
        order, folders = self._line.order()
        if not isinstance(order, Order):
            raise Closed
        return order, folders

    def _answer(self) -> Answer:
        """Wait for an answer; orders that are there before it are for later."""
        while True:
            message, folders = self._line.order()
            if isinstance(message, Answer):
                return message
            if not isinstance(message, Order):
                raise Closed
            self._early.append((message, folders))


def main(number: str) -> None:
    """Serve the snapshot at the other end of socket ``number`` until there is no more to do."""
    # Ctrl-C goes to every process of the terminal; the snapshot decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_YOUNG)  # what one file leaves behind has no cycles
    line = Line(socket.socket(fileno=int(number)))
    try:
        setting, _ = line.order()
        if isinstance(setting, Setting):
            _serve(line, setting)
    except _CannotPack as failure:
        line.send(Failure(failure.error.errno or 0, failure.error.strerror or str(failure)))
    except Closed:
        return


def _serve(line: Line, setting: Setting) -> None:
    papers = setting.papers
    filler = Filler(Key.from_bytes(papers.key), papers.compress, Path(setting.folder), setting.prefix)
    saver = _Asking(line, filler)
    line.send(Ready())
    while True:
        order, folders = saver.order()
        try:
            files = [(folders[folder], os.fsdecode(name)) for folder, name in order.files]
            results = [Read.of(result) for result in read_regular_files(saver, files)]
        finally:
            for folder in folders:
                os.close(folder)
        try:
            packs = filler.full() if order.files else filler.close()
        except OSError as error:
            raise _CannotPack(error) from error
        line.send(Reading(results, packs))
