"""Run the host's programs: say which are missing, stop them when cancelled, tell why they failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vml_jupyter.errors import HostError, ToolMissing
from vml_jupyter.progress import Progress

PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "tar": "tar",
    "qemu-img": "qemu-utils",
    "fakeroot": "fakeroot",
    "newuidmap": "uidmap",
    "zstd": "zstd",
}
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def search_path() -> str:
    """Return PATH with the system directories that ordinary users often lack."""
    return f"{os.environ.get('PATH', os.defpath)}:{SBIN}"


def require(names: Sequence[str], what: str = "A mini release") -> None:
    """Check that the programs that build something are installed.

    Raises:
        ToolMissing: One or more are not; the hint names their Debian packages.
    """
    missing = [name for name in names if shutil.which(name, path=search_path()) is None]
    if missing:
        packages = " ".join(sorted({PACKAGES[name] for name in missing}))
        raise ToolMissing(
            f"{what} cannot be built because {', '.join(missing)} is not installed",
            f"Install it: apt-get install {packages}",
        )


@dataclass(frozen=True)
class Runner:
    """Run programs for one build.

    ``log_folder`` receives what each program says; ``inherited`` are file descriptors that a program
    keeps open, so that a lock outlives a killed builder until its last program has ended. ``what`` is built.
    """

    log_folder: Path
    progress: Progress
    inherited: tuple[int, ...] = ()
    what: str = "A mini release"

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        stdout: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run ``command`` to its end, with its output in ``<log folder>/<name>.log``.

        Raises:
            HostError: It failed; the message ends in its last lines.
            Cancelled: The user ended the job; the program has been ended too.
        """
        log = self.log_folder / f"{name}.log"
        with log.open("wb") as errors, _writer(stdout) as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output or errors,
                stderr=errors,
                env={**os.environ, "PATH": search_path(), **(env or {})},
                pass_fds=self.inherited,
            )
            with _ended(child):
                self._wait(child)
        if child.returncode:
            raise HostError(
                self._why(name, child.returncode, log), "Read the lines above; is the network there?"
            )

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        seconds = 0
        while True:
            try:
                child.wait(timeout=1)
            except subprocess.TimeoutExpired:
                seconds += 1
                self.progress.advance(seconds, None, "s")
            else:
                return

    def _why(self, name: str, status: int, log: Path) -> str:
        tail = log.read_text(errors="replace").splitlines()[-12:]
        return "\n".join(
            [f"{self.what} could not be built because {name} failed with status {status}", *tail]
        )


def _writer(file: Path | None) -> AbstractContextManager[BinaryIO | None]:
    return file.open("wb") if file else nullcontext()


@contextmanager
def _ended(child: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
