"""``vml`` as a victim: run to its end, killed at a moment, or with a disk that fails."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CALLS = "create,write,fsync,rename,link,mkdir,unlink,chmod,truncate"


@dataclass(frozen=True)
class Done:
    """How a run ended; ``status`` is negative where a signal ended it, ``begun`` a ``time.monotonic()``."""

    status: int
    begun: float
    seconds: float
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


class Vml:
    """Runs ``vml`` in forks of one process; ``shim`` lets chosen calls of it fail."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def __call__(
        self,
        *words: str | Path,
        environ: Mapping[str, str],
        kill_after_s: float | None = None,
        with_children: bool = False,
    ) -> Done:
        out, err = self._folder / "out", self._folder / "err"
        order = {
            "words": [*map(str, words), "--json"],
            "environ": dict(environ),
            "kill_after_s": kill_after_s,
            "with_children": with_children,
            "out": str(out),
            "err": str(err),
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Done(**answer, out=out.read_text(), err=err.read_text(errors="replace"))


@contextmanager
def runner(folder: Path, shim: Path | None = None) -> Iterator[Vml]:
    """Give a runner for the length of a ``with``; it keeps its files in ``folder``."""
    path = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path}
    if shim:
        environ["LD_PRELOAD"] = str(shim)
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "durability.zygote"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        yield Vml(process, folder)
        assert process.stdin
        process.stdin.close()


def compile_shim(folder: Path) -> Path:
    """Compile ``faulty.c`` and return the library to preload."""
    library = folder / "faulty.so"
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "faulty.c", "-ldl"],
        check=True,
        capture_output=True,
    )
    return library


def faults(
    folder: Path,
    *,
    calls: str = CALLS,
    at: int = 0,
    error: int = 5,
    sticky: bool = False,
    told: Path | None = None,
) -> dict[str, str]:
    """Return what tells the shim which call below ``folder`` shall fail; ``at`` 0 lets all pass."""
    told_to = {"VML_FAULT_TOLD": str(told)} if told else {}
    count = _count_file(folder)
    count.unlink(missing_ok=True)
    return {
        "VML_FAULT_COUNT": str(count),
        "VML_FAULT_FOLDER": str(folder),
        "VML_FAULT_CALLS": calls,
        "VML_FAULT_AT": str(at),
        "VML_FAULT_ERRNO": str(error),
        "VML_FAULT_STICKY": str(int(sticky)),
        **told_to,
    }


@dataclass(frozen=True)
class Seen:
    """The calls that the shim has counted since ``faults`` told it to, and the ``time.monotonic()`` of the first."""

    calls: int = 0
    first: float = 0.0


def calls_seen(folder: Path) -> Seen:
    """Return what the shim has counted below ``folder``."""
    count = _count_file(folder)
    if not count.exists():
        return Seen()
    first_ns, calls = struct.unpack("=qi", count.read_bytes()[:12])
    return Seen(calls, first_ns / 1e9)


def _count_file(folder: Path) -> Path:
    return folder.with_name("calls seen")
