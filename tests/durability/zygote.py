"""Run ``vml`` in a fresh process without the time that Python takes to start: a process that forks itself.

    stdin   {"words": [...], "environ": {...}, "kill_after_s": 0.2 | null, "with_children": false,
             "out": FILE, "err": FILE}      one a line
    stdout  {"status": 0, "begun": 1712.5, "seconds": 0.31}   status is negative where a signal ended it,
                                                              begun is time.monotonic()

Started as ``python -m durability.zygote``, with the shim preloaded or not. It has one thread
only, so a fork of it is whole.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from vml_jupyter.cli import main as cli

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_ROOMS = ("repository", "snapshot", "logbook", "flows", "api", "cli")
_OTHERS = ("fastcdc", "obstore", "obstore.store", "pathspec", "pathspec.patterns")


def main() -> None:
    _end_with_parent()
    _import_all()
    with suppress(BrokenPipeError):  # who gave the orders was ended
        for line in sys.stdin:
            print(json.dumps(_run(json.loads(line))), flush=True)


def _end_with_parent() -> None:
    """End when whoever began this process does: a run that is ended early leaves nobody who writes."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _import_all() -> None:
    """Import once, for all forks, what a verb imports when it needs it: most of the time that a short verb takes."""
    for room in _ROOMS:
        package = importlib.import_module(f"vml_jupyter.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in _OTHERS:
        importlib.import_module(name)
    assert threading.active_count() == 1
    gc.freeze()  # what no collector touches stays shared with the forks


def _run(order: dict[str, Any]) -> dict[str, Any]:
    begun = time.monotonic()
    child = os.fork()
    if not child:
        _be_vml(order)
    with suppress(PermissionError):  # it did so itself already, and began
        os.setpgid(child, child)
    descriptor = os.pidfd_open(child)
    try:
        ready, _, _ = select.select([descriptor], [], [], order["kill_after_s"])
        if not ready:
            kill = os.killpg if order["with_children"] else os.kill
            kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(descriptor)
    seconds = time.monotonic() - begun
    return {"status": os.waitstatus_to_exitcode(status), "begun": begun, "seconds": seconds}


def _be_vml(order: dict[str, Any]) -> None:
    status = 70
    _end_with_parent()
    os.setpgid(0, 0)  # both sides do, so that it is done before either goes on
    try:
        os.environ.update(order["environ"])
        for number, name in ((1, order["out"]), (2, order["err"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        status = cli.main(order["words"])
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
