"""What an entry lacks, whoever reads the files: attributes that cannot be read, files that never hold still.

It is said, counted in the entry, and looked for again by the next snapshot; all else is taken.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What a file server, a security module or a dying disk answers, and somebody who writes all the time, in every process
# that is given it.
FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int fault(const char *name) {
    if (strcmp(name, "user.denied") == 0) return EACCES;
    if (strcmp(name, "user.forbidden") == 0) return EPERM;
    if (strcmp(name, "user.broken") == 0) return EIO;
    return 0;
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t size) {
    ssize_t (*real)(int, const char *, void *, size_t) = dlsym(RTLD_NEXT, "fgetxattr");
    int error = fault(name);
    if (error == 0) return real(fd, name, value, size);
    errno = error;
    return -1;
}

ssize_t llistxattr(const char *path, char *list, size_t size) {
    ssize_t (*real)(const char *, char *, size_t) = dlsym(RTLD_NEXT, "llistxattr");
    size_t length = strlen(path);
    if (length < 5 || strcmp(path + length - 5, "/pipe") != 0) return real(path, list, size);
    errno = EIO;
    return -1;
}

/* A file called log is written to, in place, whenever somebody has just asked what it is. */
static int disturbed(const char *call, int fd, void *status) {
    char link[64], path[4096];
    int (*real)(int, void *) = dlsym(RTLD_NEXT, call);
    int result = real(fd, status);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 4 || strncmp(path + length - 4, "/log", 4) != 0) return result;
    path[length] = 0;
    int log = open(path, O_WRONLY);
    if (pwrite(log, "x", 1, 0) != 1) return -1;
    close(log);
    return result;
}

int fstat(int fd, struct stat *status) { return disturbed("fstat", fd, status); }
int fstat64(int fd, struct stat64 *status) { return disturbed("fstat64", fd, status); }
"""
MISSING = [
    "denied.txt: its attribute user.denied: Permission denied",
    "folder/: its attribute user.broken: Input/output error",
    "forbidden.txt: its attribute user.forbidden: Operation not permitted",
    "pipe: its extended attributes: Input/output error",
]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("faults") / "faults.so"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(command, input=FAULTS.encode(), check=True)
    return library


@pytest.fixture(params=[0, 450], ids=["few", "many"])
def area(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An area whose files this process reads, or, where they are many, other processes do."""
    area = tmp_path / "area"
    (area / "folder").mkdir(parents=True)
    for number in range(request.param):
        (area / f"{number:03}").write_text(str(number))
    for name in ("denied", "forbidden"):
        (area / f"{name}.txt").write_text(name)
        os.setxattr(area / f"{name}.txt", f"user.{name}", b"1")
        os.setxattr(area / f"{name}.txt", "user.seen", b"2")
    os.setxattr(area / "folder", "user.broken", b"3")
    os.mkfifo(area / "pipe")
    return area


def vml(tmp_path: Path, *words: str, faults: Path | None = None) -> tuple[Any, str]:
    """Run a command and return what it tells as JSON, and what it says meanwhile."""
    done = run(tmp_path, *words, "--json", faults=faults)
    return json.loads(done.stdout), done.stderr


def run(tmp_path: Path, *words: str, faults: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "VML_DATA": str(tmp_path / "data"), "VML_CONFIG": str(tmp_path / "config")}
    environment.pop("VML_LOGBOOK", None)
    if faults:
        environment["LD_PRELOAD"] = str(faults)
    command = [sys.executable, "-m", "vml_jupyter.cli.main", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}


def test_an_attribute_that_cannot_be_read_is_never_silently_lost(
    area: Path, faults: Path, tmp_path: Path
) -> None:
    for time in ("first", "unchanged"):
        told, said = vml(tmp_path, "snapshot", str(area), faults=faults)
        assert told["unreadable"] == len(MISSING), time
        assert sorted(line.split("in part: ")[1] for line in said.splitlines() if ": its " in line) == MISSING
    vml(tmp_path, "restore", told["entry"], "--to", str(tmp_path / "back"))
    assert (tmp_path / "back" / "denied.txt").read_text() == "denied"
    assert attributes(tmp_path / "back" / "denied.txt") == {"user.seen": b"2"}
    assert (tmp_path / "back" / "pipe").is_fifo()
    entry, _ = vml(tmp_path, "show", told["entry"])
    assert entry["unreadable"] == len(MISSING)

    told, _ = vml(tmp_path, "diff", told["entry"], "--area", str(area), faults=faults)
    assert (told["files"], len(told["unreadable"])) == ([], 3), "what cannot be read is no difference"


def test_they_are_taken_once_they_can_be_read(area: Path, faults: Path, tmp_path: Path) -> None:
    vml(tmp_path, "snapshot", str(area), faults=faults)
    told, said = vml(tmp_path, "snapshot", str(area))
    assert (told["unreadable"], ": its " in said) == (0, False)
    vml(tmp_path, "restore", told["entry"], "--to", str(tmp_path / "back"))
    for name in ("denied.txt", "forbidden.txt", "folder"):
        assert attributes(tmp_path / "back" / name) == attributes(area / name) != {}


@pytest.mark.parametrize("size", [10, 3 << 20], ids=["small", "large"])
@pytest.mark.parametrize("others", [0, 450], ids=["few", "many"])
def test_files_that_never_hold_still_are_counted_and_named(
    faults: Path, tmp_path: Path, others: int, size: int
) -> None:
    log = tmp_path / "area" / "log"
    log.parent.mkdir()
    log.write_bytes(bytes(size))
    for number in range(others):
        (log.parent / f"{number:03}").write_text(str(number))
    told, said = vml(tmp_path, "snapshot", str(log.parent), faults=faults)
    assert (told["files"], told["changing"], told["unreadable"]) == (others + 1, 1, 0)
    assert "log changed while it was read, three times over" in said
    printed = run(tmp_path, "snapshot", str(log.parent), faults=faults).stdout
    assert "1 never held still and are as they were read last: log\n" in printed
    entry, _ = vml(tmp_path, "show", told["entry"])
    assert (entry["changing"], entry["changing_files"]) == (1, ["log"])
    assert re.search(r"never held still +1: log\n", run(tmp_path, "show", told["entry"]).stdout)

    later, said = vml(tmp_path, "snapshot", str(log.parent))
    assert (later["changing"], "changed while" in said) == (0, False)
    vml(tmp_path, "restore", later["entry"], "--to", str(tmp_path / "back"))
    assert (tmp_path / "back" / "log").read_bytes() == log.read_bytes() == b"x" + bytes(size - 1)
    entry, _ = vml(tmp_path, "show", later["entry"])
    assert entry.keys().isdisjoint({"changing", "changing_files", "unreadable"})
