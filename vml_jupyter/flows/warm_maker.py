"""A process that makes one warm state when this computer is idle, and ends: for doors that end before it would be made.

    python -m vml_jupyter.flows.warm_maker '{"release": ..., "shape": ..., ...}'      the Recipe, as JSON
    <data>/warm/maker.log                                                             what it says

It waits until little runs here, for half an hour at most, and gives way to whoever wants the memory. Where another
process makes a warm state already, or there is one, it ends at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from vml_jupyter.errors import Cancelled, VmlError
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.flows.warm import Recipe
from vml_jupyter.flows.warming import make
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress

_PATIENCE_S = 1800.0
_EVERY_S = 2.0


def begin(settings: Settings, recipe: Recipe) -> None:
    """Start such a process and leave it alone."""
    settings.warm.mkdir(mode=0o700, parents=True, exist_ok=True)
    told = msgspec.json.encode(recipe, enc_hook=str).decode("ascii")
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_LIBVIRT_URI": settings.libvirt_uri,
        "VML_WARM_QUOTA_MIB": str(settings.warm_quota_mib),
    }
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "vml_jupyter.flows.warm_maker", told],
        environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (
                os.POSIX_SPAWN_OPEN,
                1,
                str(settings.warm / "maker.log"),
                os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                0o600,
            ),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def make_when_idle(settings: Settings, recipe: Recipe, progress: Progress = SILENT) -> str:
    """Make a warm state once little runs on this computer.

    Raises:
        As warming.make(); Cancelled also where it is never idle.
    """
    progress.stage("idle", "Waiting until this computer has time")
    deadline = time.monotonic() + _PATIENCE_S
    while os.getloadavg()[0] >= (os.cpu_count() or 1):
        if time.monotonic() > deadline:
            raise Cancelled("this computer had no time for a warm state")
        progress.advance(0)  # a chance to cancel
        time.sleep(_EVERY_S)  # the load tells nothing by itself
    return make(settings, recipe, progress)


def main() -> int:
    recipe = parse(sys.argv[1], Recipe, lambda _, text: Path(text))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        print(make_when_idle(load(), recipe) or "another process makes one")
    except VmlError as error:
        print(error)
        return 1
    return 0


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
