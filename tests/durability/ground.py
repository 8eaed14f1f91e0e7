"""A logbook to do harm to: one base, a fresh copy of it for each trial, and a judge of what is left.

    <folder>/base/            the logbook, with three entries
    <folder>/areas/<n>/       what each entry holds, and two that are not captured yet: a small and a large one
    <folder>/trial/           the running trial: data/, laid/
        kept/                 what must not be lost: the copy of the logbook, and config/ with its password

The judge asks restic whether all is whole, restores every entry and compares it with what was captured, takes the
next snapshot, prunes, and lets restic prune as well: what the accident left must be gone after either.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from durability.places import Place
from durability.victim import Done, Vml
from vml_jupyter.logbook import Logbook
from vml_jupyter.repository import SCRYPT_N_GENERATED

PASSWORD = "of the trial"
_SLACK_BYTES = 64 << 10
_ENTRIES = 3
Manifest = dict[str, tuple[object, ...]]


def manifest(folder: Path) -> Manifest:
    """Return what a folder holds: for each name its type, mode, time, and content."""
    found: Manifest = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        found[str(path.relative_to(folder))] = (status.st_mode, status.st_mtime_ns, content)
    return found


@dataclass(frozen=True)
class Next:
    """A working area that is captured next, and what it holds."""

    area: Path
    manifest: Manifest


@dataclass(frozen=True)
class Sizes:
    """What a repository takes after our prune, and after restic's."""

    ours: int
    restics: int

    def require_as_small_as(self, reference: Sizes) -> None:
        """Require what a repository takes to which nothing happened, but for padding and times."""
        for name, now, then in (
            ("vml prune", self.ours, reference.ours),
            ("restic prune", self.restics, reference.restics),
            ("vml prune beside restic's", self.ours, self.restics),
        ):
            assert now <= then + _SLACK_BYTES, f"{name} leaves {now} bytes, {then} are needed"


@dataclass
class Ground:
    """The base, and how to begin a trial on a copy of it."""

    folder: Path
    place: Place
    vml: Vml
    entries: dict[str, Manifest] = field(default_factory=dict)
    references: dict[str, Sizes] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    usual: dict[str, tuple[float, float]] = field(default_factory=dict)
    large_bytes: int = 18 << 20  # so much that files are read by several processes

    def __post_init__(self) -> None:
        """Make the base."""
        self.folder.mkdir(parents=True, exist_ok=True)
        base = self.folder / "base"
        Logbook.create(str(base), PASSWORD, scrypt_n=SCRYPT_N_GENERATED).close()
        chance = random.Random(11)
        nexts = []
        for number, size in enumerate((3 << 20, 2 << 20, 1 << 20, 1 << 20, self.large_bytes)):
            area = self._area(number, chance, size)
            nexts.append(Next(area, manifest(area)))
            if number < _ENTRIES:
                done = self.vml("snapshot", area, environ=self.environ(str(base)))
                self.entries[done.json["entry"]] = nexts[-1].manifest
        self._nexts = {"create": nexts[0], "snapshot": nexts[-1]}
        self._small = nexts[_ENTRIES]

    def next(self, verb: str) -> Next:
        """Return what is captured after this verb, and by it where it captures: a large area only by ``snapshot``."""
        return self._nexts.get(verb, self._small)

    @property
    def trial(self) -> Path:
        return self.folder / "trial"

    @property
    def ids(self) -> list[str]:
        return list(self.entries)

    def environ(self, url: str) -> dict[str, str]:
        return {
            "VML_LOGBOOK": url,
            "VML_LOGBOOK_PASSWORD": PASSWORD,
            "VML_DATA": str(self.trial / "data"),
            "VML_CONFIG": str(self.trial / "kept" / "config"),
            **self.place.environ,
        }

    def begin(self, verb: str) -> Trial:
        """Copy the base, for ``create`` nothing, and return the copy."""
        shutil.rmtree(self.trial, ignore_errors=True)
        kept = self.trial / "kept"
        kept.mkdir(parents=True)
        new = verb == "create"
        url = self.place.copy(None if new else self.folder / "base", kept / "logbook")
        environ = self.environ(url)
        if new and self.place.makes_password:
            environ.pop("VML_LOGBOOK_PASSWORD")
        return Trial(self, url, self.next(verb), kept, environ)

    def _area(self, number: int, chance: random.Random, size: int) -> Path:
        """Make an area that shares files and folders with the one before."""
        area = self.folder / "areas" / str(number)
        if number:
            shutil.copytree(self.folder / "areas" / str(number - 1), area, symlinks=True)
        for folder in range(6):
            (area / f"run {folder}" / "plots").mkdir(parents=True, exist_ok=True)
            for file in range(4):
                (area / f"run {folder}" / f"{file}.json").write_bytes(
                    chance.randbytes(chance.randrange(5000))
                )
        (area / "latest").unlink(missing_ok=True)
        (area / "latest").symlink_to(f"run {number}")
        # Kept from here on, and gone in the next area: packs that prune has to write anew.
        (area / f"events {number}.bin").write_bytes(chance.randbytes(size // 2))
        (area / f"scratch {number}.bin").write_bytes(chance.randbytes(size // 2))
        (area / f"scratch {number - 1}.bin").unlink(missing_ok=True)
        return area


@dataclass
class Trial:
    """One copy of the base, harmed once."""

    ground: Ground
    url: str
    next: Next
    kept: Path
    environ: dict[str, str]
    before: set[str] = field(default_factory=set)

    def vml(
        self,
        *words: str | Path,
        kill_after_s: float | None = None,
        with_children: bool = False,
        **environ: str,
    ) -> Done:
        return self.ground.vml(
            *words,
            environ={**self.environ, **environ},
            kill_after_s=kill_after_s,
            with_children=with_children,
        )

    def succeed(self, *words: str | Path) -> Done:
        done = self.vml(*words)
        assert done.status == 0, f"vml {words} fails: {done.err}"
        return done

    def restic(self, *words: str | Path, ok: bool = True) -> str:
        done = subprocess.run(
            ["restic", "--no-cache", "-r", self.url, *map(str, words)],
            env={**os.environ, **self.environ, "RESTIC_PASSWORD": self.password()},
            capture_output=True,
            text=True,
        )
        assert not ok or done.returncode == 0, f"restic {words}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def password(self) -> str:
        """Return the logbook's password: the given one, or what the first snapshot made."""
        if given := self.environ.get("VML_LOGBOOK_PASSWORD"):
            return given
        made = [file for file in (self.kept / "config" / "passwords").iterdir() if "." not in file.name]
        assert len(made) == 1, f"{len(made)} passwords"
        return made[0].read_text().strip()

    def names(self) -> dict[str, int]:
        """Return the repository's files, with their sizes."""
        return self.ground.place.sizes(self.url)

    def stage(self) -> str:
        """Say, by what is there now, how far the harmed program had come."""
        new = {name.split("/")[0] for name in set(self.names()) - self.before}
        gone = {name.split("/")[0] for name in self.before - set(self.names())}
        order = ("snapshots", "index", "data", "config", "keys", "tmp", "locks")
        came = next((f"wrote to {folder}" for folder in order if folder in new), "wrote nothing")
        return came + (f", deleted from {' '.join(sorted(gone))}" if gone else "")

    def judge(self, may_miss: str | None = None) -> list[str]:
        """Check everything that must hold after any accident; return the ids of the entries that are not in the bin.

        Args:
            may_miss: The entry that the harmed program was to remove for good.
        """
        self.check()
        listed, binned = self._ids(), self._ids("--bin")
        missing = set(self.ground.ids) - {*listed, *binned, may_miss}
        assert not missing, f"entries are lost: {missing}"
        assert not set(listed) & set(binned)
        for id in listed:
            self.require_restorable(id, self.ground.entries.get(id, self.next.manifest))
        for id in binned:
            self.succeed("unforget", id)
            self.require_restorable(id, self.ground.entries[id])
            self.succeed("forget", id)
        return listed

    def judge_new(self) -> list[str]:
        """Check what must hold where a logbook was being made: there is none, or it is whole; return its entries."""
        names = self.names()
        if "config" not in names:
            held = [name for name in names if name.startswith(("data/", "index/", "snapshots/"))]
            assert not held, f"there is no config, but {held}"
            assert not self._ids()
            return []
        self.check()
        listed = self._ids()
        for id in listed:
            self.require_restorable(id, self.next.manifest)
        return listed

    def _ids(self, *words: str) -> list[str]:
        return [entry["id"] for entry in self.vml("list", *words).json["entries"]]

    def check(self) -> None:
        """Ask restic; nobody else is there, and a killed program's lock is no damage."""
        said = self.restic("check", "--read-data", "--no-lock")
        assert "no errors were found" in said, said

    def require_restorable(self, id: str, expected: Manifest) -> None:
        laid = self.ground.trial / "laid"
        shutil.rmtree(laid, ignore_errors=True)
        done = self.vml("restore", id, "--to", laid)
        assert done.status == 0, f"entry {id} does not restore: {done.err}"
        assert manifest(laid) == expected, f"entry {id} restores otherwise than it was"

    def take_next(self) -> None:
        """Take the snapshot that the accident may have interrupted, and compare it."""
        done = self.vml("snapshot", self.next.area)
        assert done.status == 0, f"the next snapshot fails: {done.err}"
        self.require_restorable(str(done.json["entry"]), self.next.manifest)
        keys = [name for name in self.names() if name.startswith("keys/")]
        assert len(keys) == 1, f"{len(keys)} keys"

    def prune(self) -> Sizes:
        """Give the space back, and let restic do it once more; return the bytes that the repository takes then."""
        self.succeed("prune", "--max-unused", "0")
        ours = self._bytes()
        self.check()
        self.restic("prune", "--max-unused", "0")  # no lock is in the way: ours removed a dead one's
        return Sizes(ours, self._bytes())

    def _bytes(self) -> int:
        names = self.names()
        left = [name for name in names if name.startswith(("locks/", "tmp/"))]
        assert not left, f"left behind: {left}"
        return sum(names.values())


def spread(stages: list[str]) -> str:
    """Return how often each stage was met, for people."""
    count: Callable[[str], int] = stages.count
    return "; ".join(f"{count(stage)} {stage}" for stage in sorted(set(stages)))
