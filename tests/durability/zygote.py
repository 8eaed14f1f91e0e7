"""Run ``vml`` in a fresh process without the time that Python takes to start: a process that forks itself.

    stdin   {"words": [...], "environ": {...}, "kill_after_s": 0.2 | null, "with_children": false,
             "out": FILE, "err": FILE}      one a line
    stdout  {"status": 0, "seconds": 0.31}      status is negative where a signal ended it

Started as ``python -m durability.zygote``, with the shim preloaded or not. It has one thread
only, so a fork of it is whole.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from vml_jupyter.cli import main as cli
from vml_jupyter.flows import capture, entries, restore  # noqa: F401 - imported once, for all forks


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line))), flush=True)


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
    return {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - begun}


def _be_vml(order: dict[str, Any]) -> None:
    status = 70
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
