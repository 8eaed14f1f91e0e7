"""Tell which CernVM-FS repositories are mounted, and which revision of each.

    /proc/mounts     cvmfs2 /cvmfs/sft.cern.ch fuse ro,nosuid,nodev,... 0 0
                     cvmfs2 /mnt/.ro fuse ...                  the system of a micro-CernVM
    user.fqrn, user.revision, user.root_hash, user.tag         extended attributes of the mount point

Only what is mounted is looked at: naming anything else below /cvmfs would mount it. A dead repository answers
never, so a process of its own asks them all side by side and is given up after two seconds.
Source: CernVM-FS's documentation, "Getting information through extended attributes"; cernvm-update.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vml_jupyter.environment.texts import read_small, short
from vml_jupyter.model import Mount

if TYPE_CHECKING:
    from types import TracebackType

    from vml_jupyter.environment.asking import Question

_WITHIN_S = 2.0
_MOUNTS_BYTES = 1 << 20
_MOST = 100
_NOT_REPOSITORIES = ("autofs", "tmpfs")

# The standard library alone, in one thread a repository; the alarm ends it where nobody is left to.
_READER = """
import _thread, os, signal, sys
signal.alarm(5)
done = _thread.allocate_lock()
ended = []
def read(number, path):
    answer = [str(number)]
    for name in ("fqrn", "revision", "root_hash", "tag"):
        try:
            answer.append(os.getxattr(path, "user." + name, follow_symlinks=False)[:256].hex())
        except OSError as error:
            answer.append("!%d" % error.errno)
    os.write(1, (" ".join(answer) + "\\n").encode())
    ended.append(number)
    if len(ended) == len(sys.argv) - 1:
        done.release()
done.acquire()
for number, path in enumerate(sys.argv[1:]):
    _thread.start_new_thread(read, (number, path))
done.acquire()
os._exit(0)
"""


class Mounts:
    """The repositories that are mounted below ``root`` now; they are asked when this is entered."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._paths = mount_points(root)
        self._question: Question | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Mounts:
        if self._paths:
            from vml_jupyter.environment.asking import Question

            places = [str(self._root / path.lstrip("/")) for path in self._paths]
            # Not isolated: a Python from a software stack needs PYTHONHOME and its library path to start at all.
            command = [sys.executable, "-S", "-s", "-c", _READER, *places]
            with suppress(OSError):
                self._question = self._stack.enter_context(
                    Question(command, os.environ, within_s=_WITHIN_S, limit_bytes=_MOST * 4096)
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def told(self) -> tuple[Mount, ...]:
        """Wait for what the repositories say of themselves, sorted by path; two seconds at most."""
        answers: dict[int, list[str]] = {}
        silent = "could not be asked"
        if self._question:
            for line in self._question.answer().decode("ascii", "replace").splitlines():
                number, *values = line.split(" ")
                answers[int(number)] = values
            if not self._question.in_time:
                silent = f"did not answer within {_WITHIN_S:.0f} s"
        return tuple(_mount(path, answers.get(number), silent) for number, path in enumerate(self._paths))


def mount_points(root: Path = Path("/")) -> list[str]:
    """Return the paths of all mounted repositories, sorted."""
    found = set()
    for line in read_small(root / "proc/mounts", _MOUNTS_BYTES).splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        source, path, kind = (_unescaped(field) for field in fields[:3])
        ours = path.startswith("/cvmfs/") and path.count("/") == 2 and kind not in _NOT_REPOSITORIES
        if ours or (source == "cvmfs2" and path not in ("/", "/cvmfs")):
            found.add(path)
    return sorted(found)[:_MOST]


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _mount(path: str, values: list[str] | None, silent: str) -> Mount:
    if values is None:
        return Mount(path=short(path), unknown=silent)
    texts = [_text(value) for value in values]
    return as_mount(path, texts, _reason(values[0]))


def as_mount(path: str, values: Sequence[str], reason: str = "it does not say which it is") -> Mount:
    """Return the record of a mounted repository from its name, revision, root hash and tag, told by whomever."""
    fqrn, revision, root_hash, tag = map(short, values)
    if not (fqrn or root_hash):
        return Mount(path=short(path), unknown=short(reason))
    return Mount(
        path=short(path),
        fqrn=fqrn if fqrn.isprintable() else "",
        revision=int(revision) if re.fullmatch(r"[0-9]{1,18}", revision) else 0,
        root_hash=root_hash if re.fullmatch(r"[0-9a-f]{40}(-rmd160|-shake128)?", root_hash) else "",
        tag=tag if tag.isprintable() else "",
    )


def _text(value: str) -> str:
    """Return an attribute's value; '' for a ``!errno`` and for what is no text."""
    if value.startswith("!"):
        return ""
    text = bytes.fromhex(value).rstrip(b"\0").decode("utf-8", "replace").strip()
    return text if text.isprintable() else ""


def _reason(value: str) -> str:
    return os.strerror(int(value[1:])) if value.startswith("!") else "it does not say which it is"
