"""Extended attributes that cannot be read: said, counted, and looked for again; all else of their files is taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# What a file server, a security module or a dying disk answers, in every process that is given it.
FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/types.h>

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
    environment = {**os.environ, "VML_DATA": str(tmp_path / "data"), "VML_CONFIG": str(tmp_path / "config")}
    environment.pop("VML_LOGBOOK", None)
    if faults:
        environment["LD_PRELOAD"] = str(faults)
    command = [sys.executable, "-m", "vml_jupyter.cli.main", *words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}


def test_an_attribute_that_cannot_be_read_is_never_silently_lost(
    area: Path, faults: Path, tmp_path: Path
) -> None:
    for time in ("first", "unchanged"):
        told, said = vml(tmp_path, "snapshot", str(area), faults=faults)
        assert told["unreadable"] == len(MISSING), time
        assert (
            sorted(line.split("in the entry: ")[1] for line in said.splitlines() if ": its " in line)
            == MISSING
        )
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
