"""A working area under a real overlay, and a real teller of what changed in it: a machine without the machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from vml_jupyter.guest import teller
from vml_jupyter.guest.changes import ChangesClient
from vml_jupyter.repository import Repository
from vml_jupyter.snapshot import Taken, take
from vml_jupyter.snapshot.layered import take_changes
from vml_jupyter.snapshot.told import Changes, Limits

NONCE = "0123456789abcdef" * 2
DEVICE = 1 << 62


@dataclass
class Scene:
    """``area`` is the overlay; ``lower`` what it was made of, and ``base`` the snapshot of that."""

    repository: Repository
    folder: Path
    base: Taken
    limits: Limits = field(default_factory=Limits)

    @property
    def lower(self) -> Path:
        return self.folder / "lower"

    @property
    def upper(self) -> Path:
        return self.folder / "upper"

    @property
    def area(self) -> Path:
        return self.folder / "area"

    @contextmanager
    def telling(self, *, walk: bool = False) -> Iterator[ChangesClient]:
        """Talk with a teller of this overlay; ``walk`` has it tell of the area as where there is no overlay."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = self.teller(theirs, NONCE, walk=walk)
            theirs.close()
            try:
                client = ChangesClient(ours, NONCE, self.limits)
                yield client
                client.end()
            finally:
                ours.close()
                process.wait(30)

    def teller(self, link: socket.socket, nonce: str, *, walk: bool = False) -> subprocess.Popen[bytes]:
        """Start a teller of this overlay."""
        order = {
            "port": link.fileno(),
            "nonce": nonce,
            "upper": "" if walk else str(self.upper),
            "target": str(self.area),
            "mark": str(self.folder / "captured"),
            "pythons": str(self.folder / "pythons.json"),
            "user": "",
            "token": "t",
            "base_url": "/",
            "jupyter_port": 9,
        }
        process = subprocess.Popen(
            [sys.executable, "-IS", teller.__file__], stdin=subprocess.PIPE, pass_fds=[link.fileno()]
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        return process

    def captured(self, known: str | None = None, *, walk: bool = False) -> Taken:
        """Capture the area by what the teller tells."""
        with self.telling(walk=walk) as changes:
            return self.laid(changes, known)

    def laid(self, changes: Changes, known: str | None = None) -> Taken:
        with self.repository.lock():
            return take_changes(
                self.repository,
                self.base.folder,
                changes,
                known=known,
                device=DEVICE,
                before=(self.base.files, self.base.bytes),
                limits=self.limits,
                spool=self.folder,
            )


@contextmanager
def overlaid(repository: Repository, folder: Path) -> Iterator[Scene]:
    """Mount an overlay over ``folder/lower``, with the options that an agent uses."""
    for name in ("upper", "work", "area"):
        (folder / name).mkdir()
    scene = Scene(repository, folder, take(repository, folder / "lower"))
    os.chmod(scene.upper, scene.lower.stat().st_mode & 0o7777)
    os.utime(scene.upper, ns=(scene.lower.stat().st_atime_ns, scene.lower.stat().st_mtime_ns))
    layers = f"lowerdir={scene.lower},upperdir={scene.upper},workdir={folder / 'work'}"
    options = f"redirect_dir=off,metacopy=off,index=off,{layers}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "vml", scene.area], check=True)
    try:
        yield scene
    finally:
        subprocess.run(["umount", scene.area], check=True)
