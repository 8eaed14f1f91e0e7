"""A launcher on a computer that has Python and QEMU and nothing else: a minimal Debian, entered as an ordinary user.

    python tests/soak/bare_host.py [--suite bookworm] [--root DIR]

    mmdebstrap: minbase, python3, qemu-system-x86, qemu-utils -> its own mounts and processes -> chroot as uid 1000
    launcher: --dry-run, start, a notebook run, capture, suspend, resume, stop, remove; then everything is as before

Takes five minutes without KVM, and root. ``--root`` takes a root that is there, or keeps the one that is built.
An older suite (bullseye: Python 3.9, QEMU 5.2) shows that the script needs no newer ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vml_jupyter.building.mirrors import debian_sources
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.settings import load
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mini import recipe
from vml_jupyter.release.mirror import served

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))
from integration.launcher_scene import Elsewhere, elsewhere, running  # noqa: E402 - found by the line above

PACKAGES = ("python3", "qemu-system-x86", "qemu-utils")
USER = 1000
HOME = "home/ada"
Files = dict[str, tuple[int, int]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default=recipe.DEBIAN_SUITE)
    parser.add_argument("--root", type=Path)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="vml-bare-") as name,
        served(mini.build(load().data, SILENT)) as url,
    ):
        top = Path(name)
        root = (arguments.root or top / "root").absolute()
        if not root.exists():
            build(arguments.suite, root)
        launched(top, root, url)
    print("the launcher passes, and everything is as before")
    return 0


def build(suite: str, root: Path) -> None:
    words = ["mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root)]
    subprocess.run([*words, *debian_sources(suite)], check=True)


def launched(top: Path, root: Path, url: str) -> None:
    """Capture the example, launch it in the root, and leave that as it was."""
    environ = {"VML_DATA": str(top / "data"), "VML_CONFIG": str(top / "config"), "VML_RELEASE_URLS": url}
    settings = load(environ)
    area = top / "dimuon"
    area.mkdir()
    for file in (TESTS.parent / "notebooks").glob("dimuon.*"):
        shutil.copy(file, area)
    entry = capture(settings, area, notebook="dimuon.ipynb", release=recipe.SYSTEMS[0].version)
    (top / "jupyter").mkdir()
    with running(top / "jupyter", {**os.environ, **environ}) as server, entered(root) as inside:
        home = root / HOME
        subprocess.run(["rm", "-rf", str(home)], check=True)
        given = server.get(f"vml/entries/{entry.id}/launcher")
        assert given.ok, given.text
        before = files(root)
        with elsewhere(home, given.content, "launch.py") as plain:
            there = Bare(plain.home, plain.script, inside=inside)
            os.chown(home, USER, USER)
            os.chown(there.script, USER, USER)
            print(there.shown())
            try:
                passes(there)
                captured = list_entries(settings)[0]
                assert captured.parent == entry.id, "it was captured"
            finally:
                subprocess.run(there.words("remove"), capture_output=True, timeout=120)
            assert there.files() == [there.script]
            there.script.unlink()
        assert files(root) == before, "nothing was written outside the folder"
        assert [each["name"] for each in server.launches("ended")[0]["stages"]][-1] == "removed"


def passes(there: Bare) -> None:
    for words in (("--dry-run",), (), ("capture",), ("suspend",), ("resume",), ("stop",), ("resume",)):
        print("   ", " ".join(words) or "start")
        print("       ", there.run(*words).strip().replace("\n", "\n        "))
        if words in ((), ("resume",)):
            assert any(cell.get("outputs") for cell in there.execute("dimuon.ipynb").cells)
            there.write("note.txt", f"written before {words}")


class Bare(Elsewhere):
    """The computer in the root, whose commands are prefixed with what gets there."""

    def __init__(self, home: Path, script: Path, inside: list[str]) -> None:
        super().__init__(home, script)
        self.inside = inside

    def words(self, *words: str) -> list[str]:
        return [*self.inside, "python3", "-I", f"/{HOME}/launch.py", *words, "--yes", "--no-browser"]

    def shown(self) -> str:
        """Say what the computer has, and see that it has nothing of this project."""
        asked = ["sh", "-c", "python3 --version; qemu-system-x86_64 --version | head -n 1; id -u"]
        told = subprocess.run([*self.inside, *asked], capture_output=True, text=True, check=True).stdout
        imports = [*self.inside, "python3", "-c", "import vml_jupyter"]
        assert subprocess.run(imports, capture_output=True).returncode != 0
        return told


@contextmanager
def entered(root: Path) -> Iterator[list[str]]:
    """Give the root mounts and processes of its own; all of it ends with the ``with``. Gives the way in."""
    mounts = (
        f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && echo up && exec sleep infinity"
    )
    holder = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", mounts],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n", "namespaces need root"
        (child,) = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        way = ["nsenter", "--target", child, "--mount", "--pid"]
        way += ["/usr/sbin/chroot", f"--userspec={USER}:{USER}", str(root)]
        yield [*way, "/usr/bin/env", "-i", f"HOME=/{HOME}", "PATH=/usr/bin:/bin"]
    finally:
        holder.kill()
        holder.wait()


def files(root: Path) -> Files:
    """Return size and time of all that lies in a root, by path."""
    found: Files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            told = path.lstat()
            found[str(path)] = (told.st_size, told.st_mtime_ns)
    return found


if __name__ == "__main__":
    sys.exit(main())
