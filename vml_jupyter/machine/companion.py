"""The processes that live beside a machine: its network and the server of its working area.

They outlive the process that started them, as the machine does, and are found again by a file each:

    <folder>/<name>.pid      {"pid": 4711, "started": 8812345}     started: field 22 of /proc/PID/stat
    <folder>/<name>.log      what the process says, mode 0600

A process id is reused after its owner has gone, so nothing is ended unless the process still bears the
recorded start time **and** names the machine's folder on its command line.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from vml_jupyter.errors import ToolMissing
from vml_jupyter.machine.waiting import wait_until
from vml_jupyter.parsing import parse

_TERM_S = 3.0
_KILL_S = 5.0
_EXEC_S = 1.0
_STATE, _STARTED = 0, 19  # positions in /proc/PID/stat behind the name in parentheses

_children: set[int] = set()
_children_lock = threading.Lock()


class _Record(msgspec.Struct, frozen=True):
    pid: int
    started: int


INHERITED = 3
"""The number under which a process finds the file that it was given."""


def start(
    folder: Path,
    name: str,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    given: int | None = None,
) -> int:
    """Start a process that stays, in a session of its own, and record it in the folder.

    Args:
        folder: The machine's folder; one of the arguments must contain it.
        name: What the process is for: ``net``, ``area``.
        argv: Program and arguments; secrets go into ``env``, where other users cannot read them.
        env: The whole environment; this process's own when None.
        given: An open file of this process that it gets, as number ``INHERITED``.

    Returns:
        The process id.

    Raises:
        ToolMissing: The program is not installed.
    """
    assert any(str(folder) in argument for argument in argv), "the folder is how the process is recognised"
    program = shutil.which(argv[0])
    if program is None:
        raise ToolMissing(f"the program {argv[0]} is not installed", f"Install it, then try again: {argv[0]}")
    _reap()
    log = str(folder / f"{name}.log")
    pid = os.posix_spawn(
        program,
        list(argv),
        dict(os.environ if env is None else env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *([] if given is None else [(os.POSIX_SPAWN_DUP2, given, INHERITED)]),
        ],
        setsid=True,
    )
    with _children_lock:
        _children.add(pid)
    stat = _stat(pid)
    _write(folder / f"{name}.pid", _Record(pid, int(stat[_STARTED]) if stat else 0))
    return pid


def is_running(folder: Path, name: str) -> bool:
    """Tell whether the recorded process is still there, and still the same."""
    record = _read(folder / f"{name}.pid")
    return record is not None and _is_same(record)


def stop(folder: Path, name: str) -> None:
    """End a recorded process, if it is still the same, and forget it. Calling it again does nothing."""
    path = folder / f"{name}.pid"
    record = _read(path)
    if record is not None:
        _end(record, folder)
    path.unlink(missing_ok=True)
    _reap()


def stop_all(folder: Path) -> None:
    """End every process recorded in the folder."""
    for path in sorted(folder.glob("*.pid")):
        stop(folder, path.stem)


def log_tail(folder: Path, name: str, lines: int = 5) -> str:
    """Return the last lines that a process wrote to its log."""
    try:
        text = (folder / f"{name}.log").read_text("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])


def _end(record: _Record, folder: Path) -> None:
    try:
        handle = os.pidfd_open(record.pid)  # from here on the number cannot come to mean another process
    except ProcessLookupError:
        return
    try:
        if not _is_ours(record, folder):
            return
        for number, patience_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _KILL_S)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], patience_s)[0]:
                return
    finally:
        os.close(handle)


def _is_same(record: _Record) -> bool:
    stat = _stat(record.pid)
    return bool(stat) and stat[_STATE] != "Z" and int(stat[_STARTED]) == record.started


def _is_ours(record: _Record, folder: Path) -> bool:
    # For a moment, while a process becomes another program, its command line reads as empty.
    wait_until(lambda: not _is_same(record) or _command_line(record.pid) != b"", _EXEC_S, 0.005)
    return _is_same(record) and os.fsencode(folder) in _command_line(record.pid)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _read(path: Path) -> _Record | None:
    try:
        return parse(path.read_bytes(), _Record)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, record: _Record) -> None:
    temporary = path.with_suffix(".pid-new")
    temporary.write_bytes(msgspec.json.encode(record))
    temporary.replace(path)


def _reap() -> None:
    """Collect those of our children that have ended, so that none stays as a zombie."""
    with _children_lock:
        for pid in tuple(_children):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                _children.discard(pid)
