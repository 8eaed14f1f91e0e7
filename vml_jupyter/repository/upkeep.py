"""What is done to a repository as a whole, from time to time: check it, mend its index, free room, remove locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from vml_jupyter.errors import LogbookDamaged, VmlError
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.repository import checking, opening, pruning
from vml_jupyter.repository.contents import Depot
from vml_jupyter.repository.keys import Keys
from vml_jupyter.repository.mending import mend_index
from vml_jupyter.repository.pruning import MAX_UNUSED_PERCENT, Pruned
from vml_jupyter.repository.report import Report


class Upkeep:
    """The upkeep of one repository.

    Args:
        depot: Its parts.
        keys: Its keys.
        damage: What is wrong with its config.
        changed: Called when packs or index may have changed, to look again.
    """

    def __init__(
        self, depot: Depot, keys: Keys, damage: LogbookDamaged | None, changed: Callable[[], None]
    ) -> None:
        self._depot = depot
        self._keys = keys
        self._damage = damage
        self._changed = changed

    def check(self, progress: Progress = SILENT, *, read_data: bool = False) -> Report:
        """Look for what is hurt and for who needs it; nothing is changed. Arguments and errors: ``checking.check``."""
        return self._check(progress, read_data).report

    def repair_index(self, progress: Progress = SILENT, *, read_data: bool = False) -> Report:
        """Check, then make the index anew where it does not fit; returns what the check found.

        Raises:
            LogbookLocked: Somebody works on the repository.
            LogbookDamaged: Its config is damaged, so nothing may be written.
        """
        if self._damage:
            raise self._damage
        with self._alone():
            checked = self._check(progress, read_data)
            mend_index(self._depot, checked)
        return checked.report

    def repair_config(self) -> bool:
        """Write a new config where it is lost or damaged; False where it is neither. Errors: ``opening.repair_config``.

        Raises:
            LogbookLocked: Somebody works on the repository.
        """
        if not self._damage:
            return False
        with self._alone():
            opening.repair_config(self._depot.store, self._depot.key, self._depot.documents)
        return True

    def prune(
        self,
        progress: Progress = SILENT,
        *,
        keep: Iterable[str] = (),
        max_unused_percent: float = MAX_UNUSED_PERCENT,
        dry_run: bool = False,
    ) -> Pruned:
        """Free the room of what no snapshot needs; arguments and errors as for ``pruning.prune``.

        Raises:
            LogbookLocked: Somebody works on the repository.
        """
        if self._damage:
            raise self._damage
        with self._depot.locks.hold() if dry_run else self._alone():
            return pruning.prune(
                self._depot,
                keep=keep,
                max_unused_percent=max_unused_percent,
                dry_run=dry_run,
                progress=progress,
            )

    def unlock(self, remove_all: bool = False) -> int:
        """Remove the locks that nobody stands behind, or every one, and return how many."""
        return self._depot.locks.unlock(remove_all)

    def _check(self, progress: Progress, read_data: bool) -> checking.Checked:
        return checking.check(
            self._depot, self._keys.list(), self._damage, read_data=read_data, progress=progress
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Be the only one who works here, and see what others did before and what was done."""
        with self._depot.locks.hold(exclusive=True):
            self._changed()
            try:
                yield
            except BaseException:
                with suppress(VmlError):  # what ended the work is what is told
                    self._changed()
                raise
            self._changed()
