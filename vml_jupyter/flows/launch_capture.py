"""Capture from a machine elsewhere: its launcher carries bytes between the machine's teller and this server.

    machine's teller <-> launcher -- POST: what the teller said, from byte N on  --> Talk <-> the flow that hears it
                                  <-- answer: what it is to be told, from byte M on --

Both directions are numbered by bytes, so whatever was lost on the way is asked for again and nothing counts twice: a
network may be away in the middle. What comes is as foreign as from a machine here, and goes the same way.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from vml_jupyter.errors import Usage
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.launch_records import Launch, Records
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.told_entry import Made, Said, write_told
from vml_jupyter.guest.changes import ChangesClient
from vml_jupyter.model import Entry
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.snapshot.told import Limits

PIECE = 1 << 20
"""How many bytes of what a teller said may come at once."""
SILENCE_S = 900.0
"""How long a launcher may be away in the middle of a capture."""
_ANSWER_BYTES = 256 << 10
_PATIENCE_S = 0.3
_GIB = 1 << 30


class Talk:
    """What is said between a flow and a machine's teller, at the flow's pace and over a network that may break.

    ``wish`` is the launcher's own word for this capture, ``nonce`` what the teller begins with.
    """

    def __init__(self, wish: str) -> None:
        self.wish, self.nonce = wish, secrets.token_hex(16)
        self._flow, self._far = socket.socketpair()
        self._far.setblocking(False)
        self._mutex = threading.Lock()
        self._taken = 0
        self._told = 0
        self._telling = bytearray()

    def exchange(self, at: int, said: bytes, heard: int) -> tuple[int, bytes]:
        """Take what a teller said, and return how much of all was taken by now and what it is to be told.

        Args:
            at: Where in all that it said these bytes begin.
            said: The bytes; as many are taken as the flow can bear now.
            heard: How many bytes it was told already.

        Raises:
            Usage: The numbers make no sense.
        """
        with self._mutex:
            if not at <= self._taken or not self._told <= heard <= self._told + len(self._telling):
                raise Usage("this capture is somewhere else", "Begin it anew.")
            del self._telling[: heard - self._told]
            self._told = heard
            news = memoryview(said)[self._taken - at :]
            with contextlib.suppress(OSError):  # the flow has ended, which its job tells
                self._pass_on(news)
                self._listen(waiting=not news)
            return self._taken, bytes(self._telling[:_ANSWER_BYTES])

    def _pass_on(self, news: memoryview) -> None:
        while news and select.select([], [self._far], [], _PATIENCE_S)[1]:
            count = self._far.send(news)
            self._taken += count
            news = news[count:]

    def _listen(self, *, waiting: bool) -> None:
        while len(self._telling) < _ANSWER_BYTES:
            patience_s = _PATIENCE_S if waiting and not self._telling else 0.0
            if not select.select([self._far], [], [], patience_s)[0]:
                return
            data = self._far.recv(_ANSWER_BYTES)
            if not data:
                return
            self._telling += data

    @contextmanager
    def heard(self, limits: Limits, progress: Progress) -> Iterator[ChangesClient]:
        """Hear the teller, once; what it is told last is still there for the launcher afterwards."""
        with self._flow:
            client = ChangesClient(self._flow, self.nonce, limits, progress, SILENCE_S)
            yield client
            client.end()

    def close(self) -> None:
        for end in (self._flow, self._far):
            end.close()


def capture_launch(
    settings: Settings, launch: Launch, talk: Talk, said: Said, progress: Progress = SILENT
) -> Entry:
    """Write the working area of a machine elsewhere, and what it runs in, into the logbook that it came from.

    Args:
        settings: Where things lie.
        launch: The machine.
        talk: Its launcher carries it.
        said: What a person says of the entry.
        progress: Who listens.

    Raises:
        MachineGone: Nothing was heard of it for ``SILENCE_S``, or its teller gave up.
        Foreign: What it tells makes no sense.
        LimitReached: More changed than its disk holds.
        Usage: A text is too long, or the notebook is not there.
        LogbookError: The logbook cannot be opened or written.
    """
    records = Records(settings)
    limits = Limits(size_bytes=settings.shape.scratch_gib * _GIB)
    with (
        opened(settings.using(logbook=launch.logbook)) as logbook,
        logbook.repository.lock(),
        TemporaryDirectory(dir=records.folder) as spool,
    ):
        progress.stage("survey", "Asking the machine what changed")
        made = Made(
            machine=launch.machine,
            entry=launch.entry,
            title=launch.title,
            notebook=launch.notebook,
            tree=launch.tree,
            release=launch.release or release_of(settings, logbook.find(launch.entry), None),
            captured=tuple(records.captured(launch.machine).values()),
        )
        with talk.heard(limits, progress) as changes:
            entry = write_told(logbook, made, changes, said, limits, Path(spool), progress)
            # Before anything else can fail: asked again for the same wish, this is the answer.
            records.add_captured(launch.machine, talk.wish, entry.id)
            changes.keep_mark(entry.id)
    return entry
