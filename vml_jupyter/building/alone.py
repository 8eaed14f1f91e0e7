"""Build in a scratch folder beside what is built, one builder at a time.

<home>/.lock           held while somebody builds, by the programs that he started, too
<home>/.building-*     the scratch folder; one that a killed builder left is removed by the next

What is built takes its own name last, by a rename: it is there as a whole or not at all.
"""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LEFTOVER = ".building-"


@contextmanager
def workshop(home: Path, is_there: Callable[[], bool]) -> Iterator[tuple[Path, int] | None]:
    """Wait for whoever builds in ``home``; give an empty folder there, and the lock for programs to inherit.

    Args:
        home: Where what is built is kept; it is made.
        is_there: Whether what is to be built is there already, by another builder's work: then None is given.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_there():
            yield None
            return
        _remove_leftovers(home)
        with tempfile.TemporaryDirectory(prefix=LEFTOVER, dir=home) as scratch:
            yield Path(scratch), lock.fileno()


def _remove_leftovers(home: Path) -> None:
    # One file system only: a killed mmdebstrap may have left something of the host bound into its root.
    for folder in home.glob(f"{LEFTOVER}*"):
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=False)
