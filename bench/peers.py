"""This project and its peers as objects with the same few verbs.

    <home>/repository    where the bytes go (ours: <home>/data/logbook)
    <home>/...           the tool's own caches and keys
    <back>/<name>        where the bytes come back; <home>/restored where no <back> is given

Every tool gets a home, and so a repository and caches, of its own; all encrypt (but tar) and compress with
zstd at level 3 or what they call automatic. What a verb returns is measured around the whole process.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from bench.areas import Area, files_of
from bench.measure import Figure, run

_ROOT = Path(__file__).parent.parent


class Peer(ABC):
    """One tool with one repository.

    ``remembers`` tells whether it recognises what it took before; ``whole_seconds`` whether it forgets the
    fractions of times; ``rival`` whether limits are set against it.
    """

    name: str
    program: str
    remembers = True
    whole_seconds = False
    rival = True

    def __init__(self, home: Path, back: Path | None = None) -> None:
        self.home = home
        self.repository = home / "repository"
        self.restored = back / self.name if back else home / "restored"
        self.password = secrets.token_hex(16)
        self.environ = dict(os.environ)
        home.mkdir(parents=True)

    @abstractmethod
    def create(self) -> None:
        """Make the repository; this is not measured."""

    @abstractmethod
    def take(self, area: Area) -> Figure:
        """Put the area into the repository, as it is now."""

    @abstractmethod
    def restore(self, to: Path) -> Figure:
        """Lay what was taken last into a new folder."""

    @classmethod
    def version(cls) -> str:
        """Return what the tool says of itself; this also loads it into the page cache."""
        done = subprocess.run([cls.program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0].strip()

    @classmethod
    def missing(cls) -> bool:
        return shutil.which(cls.program) is None

    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in files_of(self.repository))

    def remove(self) -> None:
        shutil.rmtree(self.home)


class Vml(Peer):
    """This project, from this checkout, by the command that users type."""

    name = "vml"
    program = str(Path(sys.executable).with_name("vml"))
    rival = False

    def __init__(self, home: Path, back: Path | None = None) -> None:
        super().__init__(home, back)
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self.environ |= {
            "VML_DATA": str(home / "data"),
            "VML_CONFIG": str(home / "config"),
            "PYTHONPATH": path,
        }
        for name in ("VML_LOGBOOK", "VML_LOGBOOK_PASSWORD", "VML_RELEASE"):
            self.environ.pop(name, None)
        self.repository = home / "data" / "logbook"
        self._entry = ""

    def create(self) -> None:
        """Do nothing: the first snapshot makes the logbook, and pays for it."""

    def take(self, area: Area) -> Figure:
        figure = self.run("snapshot", area.path, "-m", "bench", "--json")
        self._entry = json.loads(figure.output)["entry"]
        return figure

    def restore(self, to: Path) -> Figure:
        return self.run("restore", self._entry, "--to", to, "--json")

    def run(self, *arguments: str | Path) -> Figure:
        return run([self.program, *arguments], self.environ)


class Restic(Peer):
    name = "restic"
    program = "restic"

    def __init__(self, home: Path, back: Path | None = None) -> None:
        super().__init__(home, back)
        self.environ |= {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": self.password,
            "RESTIC_CACHE_DIR": str(home / "cache"),
        }

    @classmethod
    def version(cls) -> str:
        done = subprocess.run([cls.program, "version"], capture_output=True, text=True, check=True)
        return " ".join(done.stdout.split()[:2])

    def create(self) -> None:
        self.run("init", "--repository-version", "2")

    def take(self, area: Area) -> Figure:
        return self.run("backup", "--compression", "auto", ".", folder=area.path)

    def restore(self, to: Path) -> Figure:
        return self.run("restore", "latest", "--target", to)

    def lend(self, repository: Path, password_file: Path) -> None:
        """Work on a repository that somebody else made."""
        del self.environ["RESTIC_PASSWORD"]
        self.environ |= {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD_FILE": str(password_file)}

    def run(self, *arguments: str | Path, folder: Path | None = None) -> Figure:
        return run([self.program, *arguments], self.environ, folder)


class Borg(Peer):
    name = "borg"
    program = "borg"

    def __init__(self, home: Path, back: Path | None = None) -> None:
        super().__init__(home, back)
        self.environ |= {
            "BORG_REPO": str(self.repository),
            "BORG_PASSPHRASE": self.password,
            "BORG_BASE_DIR": str(home / "base"),
        }
        self._archives = 0

    def create(self) -> None:
        self._run("init", "-e", "repokey")

    def take(self, area: Area) -> Figure:
        self._archives += 1
        return self._run("create", "--compression", "zstd,3", f"::{self._archives}", ".", folder=area.path)

    def restore(self, to: Path) -> Figure:
        to.mkdir(parents=True)
        return self._run("extract", f"::{self._archives}", folder=to)

    def _run(self, *arguments: str, folder: Path | None = None) -> Figure:
        return run([self.program, *arguments], self.environ, folder)


class Tar(Peer):
    """What an ordinary archive takes: no encryption, no memory of the last one, nothing flushed; the limit."""

    name = "tar+zstd"
    program = "zstd"
    remembers = False
    whole_seconds = True
    rival = False

    def create(self) -> None:
        self.repository.mkdir()

    def take(self, area: Area) -> Figure:
        command = 'tar -C "$0" -c . | zstd -q -f -3 -T0 -o "$1"'
        return run(["sh", "-ec", command, area.path, self._archive], self.environ)

    def restore(self, to: Path) -> Figure:
        to.mkdir(parents=True)
        return run(["sh", "-ec", 'zstd -q -d -c "$0" | tar -x -p -C "$1"', self._archive, to], self.environ)

    @classmethod
    def version(cls) -> str:
        """Return its version alone: ``*** Zstandard CLI (64-bit) v1.5.4, by ...`` -> ``zstd 1.5.4``."""
        said = super().version()
        return f"zstd {said.partition(' v')[2].partition(',')[0]}"

    @property
    def _archive(self) -> Path:
        return self.repository / "area.tar.zst"

    @classmethod
    def missing(cls) -> bool:
        return super().missing() or shutil.which("tar") is None


PEERS: tuple[type[Peer], ...] = (Vml, Restic, Borg, Tar)
