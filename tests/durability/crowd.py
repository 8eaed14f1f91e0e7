"""Four who write and four who read one logbook at the same time, and restic's prune among them.

    writer   change the area, snapshot, again where the logbook is locked, until a prune has come through
    reader   list, restore any entry, compare
    pruner   restic prune, again where the logbook is locked, as a person would

Each ``vml`` and ``restic`` is a process of its own; the threads here only start them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from durability.ground import PASSWORD, Manifest, manifest
from durability.victim import Vml, runner
from vml_jupyter.logbook import Logbook
from vml_jupyter.repository import SCRYPT_N_GENERATED

WRITERS = READERS = 4
_DEADLINE_S = 300.0
_READ_BYTES = 300_000


@dataclass
class Crowd:
    """One logbook, and what everybody did to it."""

    folder: Path
    url: str
    environ: dict[str, str]
    rounds: int = 1
    written: dict[str, Manifest] = field(default_factory=dict)
    compared: int = 0
    prunes: int = 0
    refused: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _pruned: threading.Event = field(default_factory=threading.Event)
    _written_all: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._deadline = time.monotonic() + _DEADLINE_S
        self.environ = {**self.environ, "VML_LOGBOOK": self.url, "VML_LOGBOOK_PASSWORD": PASSWORD}

    def run(self) -> None:
        """Let all of them work until the writers are done; raises what went wrong for any of them."""
        Logbook.create(self.url, PASSWORD, scrypt_n=SCRYPT_N_GENERATED).close()
        self._make_garbage()
        with ExitStack() as stack:
            runners = [
                stack.enter_context(runner(self.folder / f"run {number}"))
                for number in range(WRITERS + READERS)
            ]
            pool = stack.enter_context(ThreadPoolExecutor(WRITERS + READERS + 1))
            writers = [pool.submit(self._write, number, runners[number]) for number in range(WRITERS)]
            others = [
                pool.submit(self._read, number, runners[number])
                for number in range(WRITERS, WRITERS + READERS)
            ]
            others.append(pool.submit(self._prune))
            try:
                for future in writers:
                    future.result()
            finally:
                self._written_all.set()
            for future in others:
                future.result()

    def judge(self) -> None:
        """All is whole, nothing is lost, and every entry is what it was."""
        assert "no errors were found" in self.restic("check", "--read-data").stdout
        with runner(self.folder / "judge") as vml:
            listed = {entry["id"] for entry in vml("list", environ=self._as(99)).json["entries"]}
            assert listed == set(self.written)
            for id in self.written:
                self._compare(vml, 99, id)

    def restic(self, *words: str | Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["restic", "--no-cache", "-r", self.url, *map(str, words)]
        environ = {**os.environ, **self.environ, "RESTIC_PASSWORD": PASSWORD}
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert not ok or done.returncode == 0, done.stdout + done.stderr
        return done

    def _make_garbage(self) -> None:
        """Leave something to prune: a snapshot of restic's own that is forgotten, but for a part that another holds."""
        area = self.folder / "garbage"
        area.mkdir(parents=True)
        for number in range(12):
            (area / f"{number}.bin").write_bytes(os.urandom(_READ_BYTES))
        self.restic("backup", area)
        (area / "0.bin").unlink()
        self.restic("backup", area)
        first = json.loads(self.restic("snapshots", "--json").stdout)[0]["id"]
        self.restic("forget", first)

    def _write(self, number: int, vml: Vml) -> None:
        area = self.folder / f"area {number}"
        area.mkdir()
        rounds = 0
        while rounds < self.rounds or not self._pruned.is_set():
            self._require_time()
            (area / f"{rounds % 3}.bin").write_bytes(os.urandom(_READ_BYTES))
            (area / "same for all.txt").write_text("the same in every area\n" * 1000)
            expected = manifest(area)
            done = vml("snapshot", area, environ=self._as(number))
            if done.status and "holds the logbook" in done.err:
                with self._mutex:
                    self.refused += 1
                continue
            with self._mutex:
                self.written[done.json["entry"]] = expected
            rounds += 1

    def _read(self, number: int, vml: Vml) -> None:
        chance = random.Random(number)
        while not self._written_all.is_set():
            entries = vml("list", environ=self._as(number)).json["entries"]
            if entries:
                self._compare(vml, number, chance.choice(entries)["id"])

    def _prune(self) -> None:
        while not self._written_all.is_set():
            self._require_time()
            done = self.restic("prune", "--max-unused", "0", ok=False)
            if done.returncode == 0:
                self.prunes += 1
                self._pruned.set()
            else:
                assert "already locked" in done.stderr, done.stderr

    def _compare(self, vml: Vml, number: int, id: str) -> None:
        laid = self.folder / f"laid {number}"
        shutil.rmtree(laid, ignore_errors=True)
        done = vml("restore", id, "--to", laid, environ=self._as(number))
        assert done.status == 0, done.err
        with self._mutex:
            expected = self.written.get(id)  # its writer may not have told yet
            self.compared += expected is not None
        assert expected is None or manifest(laid) == expected, f"entry {id} restores otherwise than it was"

    def _as(self, number: int) -> dict[str, str]:
        """Return the environment of one person, with folders of their own."""
        home = self.folder / f"home {number}"
        return {**self.environ, "VML_DATA": str(home / "data"), "VML_CONFIG": str(home / "config")}

    def _require_time(self) -> None:
        assert time.monotonic() < self._deadline, f"{self.prunes} prunes came through in time"

    def __str__(self) -> str:
        return (
            f"{len(self.written)} entries by {WRITERS} writers ({self.refused} times asked to wait), "
            f"{self.compared} restores compared by {READERS} readers, {self.prunes} prunes"
        )
