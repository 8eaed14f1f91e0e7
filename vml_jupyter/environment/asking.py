"""Ask a program something, and give it up when it does not answer in time.

A process and no thread: what waits for a dead network mount may be beyond any signal, and a process with such
a thread could never end. A program that is given up is killed; where even that does not end it, it is left
behind, and collected at a later question.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

_DYING_S = 0.2

_left_behind: list[subprocess.Popen[bytes]] = []


class Question:
    """A program that was just started; its standard output is the answer.

    Args:
        command: The program and its arguments.
        environ: All of its environment variables.
        within_s: How long it may take, counted from now.
        limit_bytes: How much of its answer is read.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], *, within_s: float, limit_bytes: int
    ) -> None:
        import subprocess  # takes a while, and most computers are asked nothing

        _left_behind[:] = [each for each in _left_behind if each.poll() is None]
        self._process = subprocess.Popen(
            command,
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt from the terminal is for us
        )
        self._deadline = time.monotonic() + within_s
        self._limit = limit_bytes
        self.in_time = False
        self.status: int | None = None

    def answer(self) -> bytes:
        """Return what it wrote until it ended, or until its time was over: then ``in_time`` is False."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        received = bytearray()
        while len(received) < self._limit:
            left = max(self._deadline - time.monotonic(), 0.0)
            if not poll.poll(left * 1000):  # what came while others were waited for is still read
                break
            data = os.read(descriptor, 65536)
            if not data:
                self._end(max(left, _DYING_S))
                self.in_time = self.status is not None
                break
            received += data
        return bytes(received[: self._limit])

    def __enter__(self) -> Question:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdout:
            self._process.stdout.close()
        if self._process.poll() is None:
            self._process.kill()
            self._end(_DYING_S)
        if self._process.returncode is None:
            _left_behind.append(self._process)

    def _end(self, within_s: float) -> None:
        import subprocess

        try:
            self.status = self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.status = None
