"""Set-up on a system that is no Debian: it says exactly what is missing, and installs nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / ".ci" / "packages"
PROGRAMS = [
    *("libvirtd", "qemu-system-x86_64", "qemu-img", "passt", "gcc", "pkg-config", "python3", "mmdebstrap"),
    *("fakeroot", "syslinux", "mcopy", "mke2fs", "sfdisk", "restic", "xorriso", "isoinfo", "chromium"),
    *(
        "7zz",
        "busybox",
        "fusermount",
        "borg",
        "zstd",
        "tar",
        "ceph-mon",
        "ceph-osd",
        "radosgw",
        "ceph",
        "faketime",
    ),
]


def set_up(programs: Path) -> subprocess.CompletedProcess[str]:
    """Run the script where nothing but ``programs`` (and what lies in the system's own sbin) is to be found."""
    return subprocess.run(
        ["/bin/sh", SCRIPT, "run", "build", "test"],
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
    )


def place(folder: Path, *names: str) -> None:
    for name in names:
        program = folder / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    place(tmp_path, *set(PROGRAMS) - {"passt", "qemu-img", "chromium"})
    done = set_up(tmp_path)
    assert done.returncode == 1
    named = done.stderr.partition("Missing here:")[2].splitlines()[0].split()
    assert sorted(named) == ["chromium", "passt", "qemu-utils"]


def test_nothing_is_said_where_nothing_is_missing(tmp_path: Path) -> None:
    place(tmp_path, *PROGRAMS)
    done = set_up(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_purpose_is_refused() -> None:
    done = subprocess.run(["/bin/sh", SCRIPT, "play"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "play" in done.stderr


def test_the_readme_names_all_that_a_user_installs() -> None:
    run = next(line for line in SCRIPT.read_text().splitlines() if line.startswith("run="))
    readme = (SCRIPT.parents[1] / "README.md").read_text()
    assert [name for name in run.split('"')[1].split() if name not in readme] == []
