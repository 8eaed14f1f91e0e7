"""The processes that read files for a snapshot, seen from the snapshot.

    submit(files) -> Future --one order at a time--> hand --Offer--> claim --Answer--> hand --Reading--> Future
                                                      `--packs--> adopt

Python runs one thread at a time, and a small file is mostly Python: so files are read by processes, one a core.
They are started afresh and not forked, because a fork of a process with threads may hang. This process stays
the only one that knows what is stored, that stores, and that makes trees.
"""

from __future__ import annotations

import errno
import os
import secrets
import selectors
import socket
import stat
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

from vml_jupyter.errors import DiskFull, HostError, StoreUnreachable, VmlError
from vml_jupyter.repository import Repository
from vml_jupyter.repository.disk import remove_stale
from vml_jupyter.repository.filling import FilledPack
from vml_jupyter.repository.identity import process_space
from vml_jupyter.snapshot.content import Read
from vml_jupyter.snapshot.descriptor import Descriptor
from vml_jupyter.snapshot.helper import python
from vml_jupyter.snapshot.wire import Answer, Closed, Failure, Line, Offer, Order, Reading, Setting

# Blocks of a few MiB come and go; glibc would have the kernel clear new pages for each of them.
_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}

_FULL = (errno.ENOSPC, errno.EDQUOT)
_ORDERS = 3  # one is packed, one read, and the next is there when one is done

Files = Sequence[tuple[Descriptor, list[bytes]]]
"""Folders, each with the names of files in it."""


@dataclass
class _Task:
    files: Files
    future: Future[list[Read]]


@dataclass
class _Hand:
    """One process: the line to it, what it works on, and the blobs that it will bring."""

    process: subprocess.Popen[bytes]
    line: Line
    is_ready: bool = False
    is_closing: bool = False
    tasks: deque[_Task] = field(default_factory=deque)
    promised: set[str] = field(default_factory=set)


class Crew:
    """Hands that work on files until ``close`` or ``abort``; ``with`` does the one or the other.

    Args:
        repository: Where packs go.
        hands: How many processes.
    """

    def __init__(self, repository: Repository, hands: int) -> None:
        self._repository = repository
        self._papers = repository.papers()
        self._folder = Path(self._papers.desk) if self._papers.desk else own_desk()
        # As the store names what it writes: where this process dies, whoever writes next clears it away.
        self._prefix = f"{process_space()}.{os.getpid()}.{secrets.token_hex(6)}-"
        self._mutex = threading.Lock()
        self._waiting: deque[_Task] = deque()
        self._failure: VmlError | None = None
        self._is_closing = False
        self._selector = selectors.DefaultSelector()
        self._hands = [self._start(number) for number in range(hands)]
        self._thread = threading.Thread(target=self._listen, name="vml-crew", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Tell whether a hand waits for its first order, or was given it."""
        return any(hand.is_ready for hand in self._hands)

    def submit(self, files: Files) -> Future[list[Read]]:
        """Have files read together; the future has what became of each."""
        task = _Task(files, Future())
        with self._mutex:
            if self._failure is not None:
                raise self._failure
            self._waiting.append(task)
            for hand in sorted(self._hands, key=lambda hand: len(hand.tasks)):
                if hand.is_ready:
                    self._next(hand)
        return task.future

    def close(self) -> None:
        """Let the hands bring what they have packed, and end them.

        Raises:
            StoreUnreachable, DiskFull, HostError: It could not be brought.
        """
        with self._mutex:
            self._is_closing = True
            for hand in self._hands:
                if hand.is_ready:
                    self._next(hand)
        self._thread.join()
        self._end()
        if self._failure is not None:
            raise self._failure

    def abort(self) -> None:
        """End the hands at once; what they had not brought was never there."""
        for hand in self._hands:
            hand.process.kill()
        self._thread.join()
        self._end()

    def _start(self, number: int) -> _Hand:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                python("vml_jupyter.snapshot.hand", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **_MALLOC},
            )
        hand = _Hand(process, Line(ours))
        hand.line.send(Setting(self._papers, str(self._folder), f"{self._prefix}{number}-"))
        self._selector.register(ours, selectors.EVENT_READ, hand)
        return hand

    def _listen(self) -> None:
        """Answer the hands until all have ended, in a thread of its own."""
        try:
            while self._selector.get_map():
                for key, _ in self._selector.select():
                    self._hear(key.data)
        except (VmlError, Closed, OSError) as error:
            self._fail(_explained(error))

    def _hear(self, hand: _Hand) -> None:
        report = hand.line.report()
        if isinstance(report, Failure):
            raise _cannot_pack(report, self._folder)
        if isinstance(report, Offer):
            ids = report.ids()
            wanted = self._repository.claim(ids)
            hand.promised.update(compress(ids, wanted))
            hand.line.send(Answer(wanted))
            self._adopt(hand, report.packs)
            return
        if isinstance(report, Reading):
            self._adopt(hand, report.packs)
        with self._mutex:
            hand.is_ready = True
            task = hand.tasks.popleft() if hand.tasks else None
            if task is None and hand.is_closing:
                self._selector.unregister(hand.line.fileno())
            else:
                self._next(hand)
        if task is not None and isinstance(report, Reading):
            task.future.set_result(report.reads)

    def _next(self, hand: _Hand) -> None:
        """Give a hand an order more than it works on, or, at the end, the order to bring the rest."""
        while self._waiting and _may_have_more(hand):
            task = self._waiting.popleft()
            hand.tasks.append(task)
            order = Order([names for _, names in task.files])
            _send(hand, order, [folder.number for folder, _ in task.files])
        if self._is_closing and not self._waiting and not hand.is_closing:
            hand.is_closing = True
            _send(hand, Order([]))

    def _adopt(self, hand: _Hand, packs: list[FilledPack]) -> None:
        for pack in packs:
            self._repository.adopt(pack)
            hand.promised.difference_update([blob.id for blob in pack.blobs])

    def _fail(self, error: VmlError) -> None:
        with self._mutex:
            self._failure = error
            tasks = [task for hand in self._hands for task in hand.tasks] + list(self._waiting)
            self._waiting.clear()
        for task in tasks:
            task.future.set_exception(error)

    def _end(self) -> None:
        """Leave nothing behind: no process, no file, and no claim on a blob that did not come."""
        for hand in self._hands:
            hand.line.close()
            if self._failure is not None:
                hand.process.kill()
            hand.process.wait()
            self._repository.disclaim(hand.promised)
        self._selector.close()
        if self._papers.desk is None:
            self._repository.await_packs()  # which are read from there
        elif not any(hand.promised for hand in self._hands):
            return
        for file in self._folder.glob(f"{self._prefix}*"):
            with suppress(OSError):
                file.unlink()


def own_desk() -> Path:
    """Return this user's folder for packs on their way to a bucket, without what killed snapshots left there.

    Raises:
        HostError: Somebody else has made it.
    """
    folder = Path(tempfile.gettempdir()) / f"vml-take-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HostError(
            f"{folder} is not a folder of yours alone",
            "Packs on their way to a bucket are kept there. Remove it, or set TMPDIR to a folder of your own",
        )
    remove_stale(folder)
    return folder


def _send(hand: _Hand, order: Order, folders: Sequence[int] = ()) -> None:
    """Give an order to a hand; where that is gone, whoever listens to it says so, and of all that it had to do."""
    with suppress(Closed):
        hand.line.send(order, folders)


def _may_have_more(hand: _Hand) -> bool:
    """Tell whether another order may wait at a hand; not behind a large file, which another hand may pass."""
    return not hand.tasks or (len(hand.tasks) < _ORDERS and not _is_large(hand.tasks[0]))


def _is_large(task: _Task) -> bool:
    """Tell whether a task is a single file."""
    return len(task.files) == 1 and len(task.files[0][1]) == 1


def _cannot_pack(failure: Failure, folder: Path) -> VmlError:
    """Say why packs cannot be made in ``folder`` in the words of the error tree."""
    if failure.errno in _FULL:
        return DiskFull(f"no room left in {folder}", "Free space there, then try again")
    return StoreUnreachable(
        f"{folder} cannot be used: {failure.reason}",
        "Look at the disk, and whether the folder is mounted; what was stored so far is not stored again",
    )


def _explained(error: VmlError | Closed | OSError) -> VmlError:
    """Say what kept a hand from its work in the words of the error tree."""
    if isinstance(error, VmlError):
        return error
    why = f": {error.strerror}" if isinstance(error, OSError) else ""
    return HostError(
        f"a process that read files for the snapshot ended early{why}",
        "Try again; what was stored so far is not stored again. If it stays so, look at the free memory",
    )
