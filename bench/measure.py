"""Run one command and measure it from its start to its end: seconds on the wall, and peak memory.

Peak memory is the resident memory of the command and all that it starts. Two readings together give it:

    wait4       the kernel's own high-water mark, exact, but of the largest single process, and never less
                than that of the bench, whose memory a child shares until it executes its program; so it
                is believed where it is more
    /proc       VmHWM of every process of the command's session, summed, looked at now and then; a mark
                only rises, so few looks lose little, and a sum counts workers and pipelines whole

The larger of the two is reported. A control group would know the sum exactly, but counts the page cache of
the files that are read, and needs rights that an ordinary user has not.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_FIRST_LOOK_MS = 10
_LATER_LOOKS_MS = 200
_T = TypeVar("_T")


@dataclass(frozen=True)
class Figure:
    """What one command took, what it printed, and how many cores everybody else used meanwhile."""

    seconds: float
    peak_bytes: int
    output: bytes
    others_cores: float


@dataclass(frozen=True)
class Spread:
    """Several runs of the same work."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def most(self) -> float:
        return max(self.values)


def rotated(items: Sequence[_T], by: int) -> list[_T]:
    """Return the items beginning with another one: who runs first changes from round to round."""
    by %= max(len(items), 1)
    return [*items[by:], *items[:by]]


def run(command: Sequence[str | Path], environ: Mapping[str, str], folder: Path | None = None) -> Figure:
    """Run a command in a session of its own, with what was written before on the disk.

    Raises:
        SystemExit: The command failed; carries what it printed last.
    """
    os.sync()  # else who comes next waits for the disk on behalf of who came before
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        busy, begun = _busy_seconds(), time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)), env=dict(environ), cwd=folder, stdin=subprocess.DEVNULL,
            stdout=output, stderr=errors, start_new_session=True,
        )  # fmt: skip
        try:
            seen = _watch(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            busy = _busy_seconds() - busy
            process.returncode = os.waitstatus_to_exitcode(status)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{errors.read()[-2000:].decode()}")
        largest = usage.ru_maxrss * 1024
        peak = max(seen, largest if largest > own_peak else 0) or largest  # the bound, where it was too quick
        others = max(busy - usage.ru_utime - usage.ru_stime, 0.0)
        return Figure(seconds, peak, output.read(), others / seconds)


def _watch(pid: int) -> int:
    """Wait for a process to end and return the largest sum of high-water marks seen in its session."""
    descriptor = os.pidfd_open(pid)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        seen, pause = 0, _FIRST_LOOK_MS
        while not ended.poll(pause):
            seen, pause = max(seen, _session_bytes(pid)), _LATER_LOOKS_MS
        return seen
    finally:
        os.close(descriptor)


def _busy_seconds() -> float:
    """Return the time that all cores together were busy since the start, from the first line of /proc/stat."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]  # idle, and waiting for the disk
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def _session_bytes(session: int) -> int:
    processes = (path for path in Path("/proc").iterdir() if path.name.isdigit())
    return sum(_high_water_bytes(path) for path in processes if _in(path, session))


def _in(process: Path, session: int) -> bool:
    try:
        return os.getsid(int(process.name)) == session
    except ProcessLookupError:
        return False


def _high_water_bytes(process: Path) -> int:
    """Return the resident memory that a process had at most; 0 where it has just ended."""
    try:
        lines = (process / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
