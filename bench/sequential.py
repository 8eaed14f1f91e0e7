"""A large file read in order in a machine: from the served working area, and from the same image as a plain file.

    vml image ENTRY -o area.iso      one machine has this file as its disk, the other is served by the logbook

Both run at once, and every file is read once in each, in turn: what a guest or the image has read is in its memory.
What the host reads is in its page cache in both cases, so that no disk is measured.
"""

from __future__ import annotations

import random
import statistics
from pathlib import Path
from unittest.mock import patch

from bench.guest import run_in
from vml_jupyter.flows import areas, machine_area, machines
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.restore import restore
from vml_jupyter.flows.settings import Settings

LEAST = 0.8
_RELEASE = "4.5.1.0"
_MB = 1_000_000
_READ = """
with open({name!r}, "rb", buffering=0) as file:
    while file.read(1 << 20):
        pass
"""


def compared(
    settings: Settings, folder: Path, megabytes: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Return the seconds for each file of ``megabytes``, served and as a plain file."""
    entry = capture(settings, _area(folder / "area", megabytes, rounds), release=_RELEASE).id
    served = restore(settings, entry).machine.id
    try:
        with (
            patch.object(areas, "socket_of", lambda *_: ""),
            patch.object(machine_area, "can_read_http", lambda: False),
        ):
            plain = restore(settings, entry).machine.id
        try:
            return _in_turn(settings, served, plain, rounds)
        finally:
            machines.delete(settings, plain)
    finally:
        machines.delete(settings, served)


def _in_turn(settings: Settings, served: str, plain: str, rounds: int) -> tuple[list[float], list[float]]:
    seconds: dict[str, list[float]] = {served: [], plain: []}
    for number in range(rounds + 1):
        for machine in (served, plain) if number % 2 else (plain, served):
            taken = run_in(settings, machine, _READ.format(name=f"data-{number}.bin"))
            if number:  # the first warms up the interpreter, the guest's code in the emulator, and the server
                seconds[machine].append(taken)
    return seconds[served], seconds[plain]


def _area(area: Path, megabytes: int, rounds: int) -> Path:
    area.mkdir(parents=True)
    for number in range(rounds + 1):
        draw = random.Random(number)
        with (area / f"data-{number}.bin").open("wb") as file:
            for _ in range(megabytes if number else megabytes // 4):
                file.write(draw.randbytes(_MB))
    return area


def row(settings: Settings, folder: Path, megabytes: int, rounds: int = 3) -> bool:
    """Print the row of the table; return whether the limit is held."""
    served, plain = compared(settings, folder, megabytes, rounds)
    part = statistics.median(plain) / statistics.median(served)
    verdict = "held" if part >= LEAST else "missed"
    print(
        f"a file of {megabytes} MB read in order in a machine: served {_spread(served)}, plain ISO {_spread(plain)}, "
        f"part of its speed {part:.2f}  limit {LEAST:g}  {verdict}"
    )
    return part >= LEAST


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f}-{max(values):.2f})"
