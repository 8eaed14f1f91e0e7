"""restic's locks: a file that says who works here, renewed while the work goes on.

    locks/<id>   {"time", "exclusive", "hostname", "username", "pid", "uid", "gid", "vml_space"}

Writers share; whoever removes packs (restic's ``prune``) is alone. A lock is made first and looked
around from after: of two who lock at the same moment at least one sees the other. That needs a store
that lists what it just stored, which folders and S3 do. A lock is stale when it is older than 30 minutes,
or its process on this computer is gone. Source: restic's ``doc/design.rst``, "Locks".

Others may take ours for stale all the same: this computer slept, its clock is wrong, or somebody said ``unlock``.
So whoever is about to rely on what the lock protected asks whether it is still there (``require_held``); a lock
that was removed stays lost, however often it is renewed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from vml_jupyter.errors import LogbookDamaged, LogbookLocked, VmlError
from vml_jupyter.repository import gotime
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.identity import hostname, process_space, username
from vml_jupyter.repository.records import LockRecord
from vml_jupyter.repository.staleness import STALE_S, decode_lock, is_abandoned, is_stale

REFRESH_S = 5 * 60
_LAPSED_S = STALE_S - 1.5 * REFRESH_S
_DOCUMENT = "locks"
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # which goes on while the computer sleeps


class Locks:
    """The locks of one repository, and at most one of them ours: inner ``hold`` calls share the outer one's."""

    def __init__(self, documents: Documents, refresh_s: float = REFRESH_S) -> None:
        self._documents = documents
        self._refresh_s = refresh_s
        self._mutex = threading.Lock()
        self._holders = 0
        self._exclusive = False
        self._id = ""
        self._renewed = 0.0
        self._is_lost = False
        self._left: set[str] = set()  # ours, done with, and not to be removed when they should have been
        self._released = threading.Event()
        self._renewer: threading.Thread | None = None

    @property
    def held(self) -> bool:
        return self._holders > 0

    @contextmanager
    def hold(self, exclusive: bool = False) -> Iterator[bool]:
        """Lock the repository for the length of a ``with``; yields whether this is the outermost one.

        Raises:
            LogbookLocked: Somebody holds a lock that excludes this one.
        """
        outermost = self._acquire(exclusive)
        try:
            yield outermost
        finally:
            self._release()

    def unlock(self, remove_all: bool = False) -> int:
        """Remove the locks that nobody stands behind, or every one, and return how many.

        Args:
            remove_all: Those too that somebody may hold, and those that are damaged or empty.
        """
        removed = 0
        for id in list(self._documents.names(_DOCUMENT)):
            if remove_all or self._is_stale(id):
                self._documents.delete(_DOCUMENT, id)
                removed += 1
        return removed

    def _is_stale(self, id: str) -> bool:
        """Tell whether a lock is stale; what is damaged may be somebody's, as restic sees it too."""
        try:
            lock = self._load(id)
        except LogbookDamaged:
            return False
        return lock is not None and is_stale(lock)

    def require_alive(self) -> None:
        """Make sure, as far as this computer knows by itself, that nobody may have taken our lock for stale.

        Raises:
            LogbookLocked: It was removed, or could not be renewed for so long that others may have removed it.
        """
        if self._holders and (self._is_lost or now_s() - self._renewed > _LAPSED_S):
            raise _lost()

    def require_held(self) -> None:
        """Make sure that our lock is there: asks the store.

        Raises:
            LogbookLocked: It is not.
        """
        while self._holders and not self._is_lost:
            ours = self._id
            if ours in self._documents.names(_DOCUMENT):
                return
            if ours == self._id:  # else it was renewed just now
                self._is_lost = True
        self.require_alive()

    def _acquire(self, exclusive: bool) -> bool:
        with self._mutex:
            if self._holders:
                if exclusive and not self._exclusive:
                    raise LogbookLocked(
                        "this program itself is writing to the logbook", "Try again when it is done"
                    )
                self._holders += 1
                return False
            self._id = self._write(exclusive)
            try:
                self._look_around(exclusive)
            except BaseException:
                self._documents.delete(_DOCUMENT, self._id)
                raise
            self._holders, self._exclusive, self._is_lost = 1, exclusive, False
            self._start_renewing()
            return True

    def _release(self) -> None:
        with self._mutex:
            self._holders -= 1
            if self._holders:
                return
            self._released.set()
        if self._renewer is not None:
            self._renewer.join()
        # The work is done; a lock that cannot be removed is stale when this program ends and harms nobody.
        try:
            self._documents.delete(_DOCUMENT, self._id)
        except VmlError:
            self._left.add(self._id)

    def _write(self, exclusive: bool) -> str:
        record = LockRecord(
            time=gotime.now(),
            exclusive=exclusive,
            hostname=hostname(),
            username=username(),
            pid=os.getpid(),
            uid=os.getuid(),
            gid=os.getgid(),
            space=process_space(),
        )
        begun = now_s()
        id = self._documents.save(_DOCUMENT, msgspec.json.encode(record))
        self._renewed = begun
        return id

    def _look_around(self, exclusive: bool) -> None:
        """Raise where another lock excludes ours; remove those that are stale."""
        stored = self._documents.times(_DOCUMENT)
        for id, stored_s in stored.items():
            other = self._load(id) if id != self._id else None
            if other is None:
                continue
            if id in self._left or is_abandoned(other, stored.get(self._id, stored_s) - stored_s):
                self._documents.delete(_DOCUMENT, id)
            elif exclusive or other.exclusive:
                raise _locked_by(other)

    def _load(self, id: str) -> LockRecord | None:
        try:
            if self._documents.is_empty(_DOCUMENT, id):
                return None  # stores without atomic upload leave such files, and restic passes them over
            return decode_lock(self._documents.load(_DOCUMENT, id), id)
        except FileNotFoundError:
            return None
        except LogbookDamaged as error:
            raise LogbookDamaged(
                error.message, "Run `vml unlock --all` when nobody else works on the logbook"
            ) from error

    def _start_renewing(self) -> None:
        self._released = threading.Event()
        self._renewer = threading.Thread(
            target=self._renew, args=(self._released,), name="vml-lock", daemon=True
        )
        self._renewer.start()

    def _renew(self, released: threading.Event) -> None:
        """Replace our lock by a fresh one from time to time: the new one first, so that one is always there."""
        while not released.wait(self._refresh_s):
            renewed = self._renewed
            try:
                self._replace(self._write(self._exclusive))
            except VmlError:
                # Once more in a while; ``require_alive`` stops the work if it never succeeds.
                self._renewed = renewed

    def _replace(self, fresh: str) -> None:
        """Go over to another lock, and notice where ours was removed before."""
        try:
            is_lost = self._id not in self._documents.names(_DOCUMENT)
        except VmlError:
            with suppress(VmlError):
                self._documents.delete(_DOCUMENT, fresh)
            raise
        self._is_lost = self._is_lost or is_lost
        former, self._id = self._id, fresh
        self._documents.delete(_DOCUMENT, former)


def now_s() -> float:
    """Return the seconds since some moment, those of sleep included; no clock that is set has a part in it."""
    return time.clock_gettime(_CLOCK)


def _lost() -> LogbookLocked:
    return LogbookLocked(
        "the lock on the logbook was lost: it could not be renewed in time, or somebody removed it",
        "Check the connection to the logbook, and this computer's clock, then try again; nothing was damaged",
    )


def _locked_by(other: LockRecord) -> LogbookLocked:
    how = "exclusively " if other.exclusive else ""
    return LogbookLocked(
        f"{other.username or 'somebody'} on {other.hostname} (process {other.pid}) "
        f"{how}holds the logbook since {other.time}",
        "Try again when that program is done; if it is gone for good, run `vml unlock`",
    )
