"""restic itself, as the judge of what VML writes and the author of what VML reads."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from vml_jupyter.repository import Repository


class Restic:
    """The program, for one repository."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = folder
        self._password = password
        self._environ = dict(os.environ, RESTIC_PASSWORD=password)

    def init(self, version: str = "2") -> None:
        """Make the repository, with a key that asks for less work than restic's: 0.6 s a command is much."""
        self.run("init", "--repository-version", version)
        repository = Repository.open(str(self.folder), self._password)
        (costly,) = repository.keys.list()
        repository.keys.add(self._password, 1024)
        repository.close()
        repository = Repository.open(str(self.folder), self._password)
        repository.keys.remove(costly.id)
        repository.close()

    def run(self, *arguments: str | Path, ok: bool = True) -> str:
        command = ["restic", "--no-cache", "-r", str(self.folder), *map(str, arguments)]
        done = subprocess.run(command, env=self._environ, capture_output=True, text=True)
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done.stdout if ok else done.stdout + done.stderr

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.run("--json", *arguments))

    def check(self) -> None:
        assert "no errors were found" in self.run("check", "--read-data")
