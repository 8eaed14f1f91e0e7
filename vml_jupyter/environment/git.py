"""Tell which commit a working area is of, and whether it differs, without trusting the repository.

    <top>/.git, or the folder that this file names     HEAD, refs, packed-refs: read here; index, objects: by git
    <temporary>/                                       a git directory of our own, removed again:
        HEAD  config  info/attributes  info/exclude  refs/

A repository's own configuration can name programs that ``git status`` runs: hooks, a file system monitor,
content filters, whatever fetches missing objects. So git is not given it: it looks at the repository's index
and objects from a git directory of ours, whose attributes switch filters off for every file. It writes nothing,
follows no submodule, and is given up after two seconds: then the state is unknown.

Of an area that is not on this computer only files can be had: its commit and branch, by the same reading, and no state.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vml_jupyter.environment.texts import long, read_small, short
from vml_jupyter.model import Checkout

if TYPE_CHECKING:
    from types import TracebackType

    from vml_jupyter.environment.asking import Question

_WITHIN_S = 2.0
_ANSWER_BYTES = 16 << 20
_FILE_BYTES = 64 * 1024
_REFS_BYTES = 16 << 20
_NOT_ASKED = "git could not be asked where it lies"
_OUTSIDE = "its git directory is not in the working area"
_COMMIT = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_BRANCH = r"refs/(?!.*(?:\.\.|//))[^\x00-\x20~^:?*\[\\]+"
# How files are compared; with words for values, so that nothing else can get in.
_COMPARING = (
    r"(?im)^\s*(autocrlf|eol|filemode|ignorecase|symlinks|trustctime|checkstat|sparsecheckout)"
    r"\s*=\s*([a-z]+)\s*$"
)
_OVERRIDES = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "status.renames=false",
    "status.showUntrackedFiles=normal",
)


@dataclass(frozen=True)
class _Place:
    top: Path
    folder: Path  # HEAD and index
    common: Path  # refs and objects, which the worktrees of one repository share


class WorkingTree:
    """The git checkout around a working area; git is asked for its state when this is entered."""

    def __init__(self, area: Path | None, environ: Mapping[str, str]) -> None:
        self._area = area
        self._environ = environ
        self._place = _find(area) if area else None
        self._commit, self._branch = _head(_reader(self._place)) if self._place else ("", "")
        self._question: Question | None = None
        self._why = ""
        self._stack = ExitStack()

    def __enter__(self) -> WorkingTree:
        if self._place and self._area:
            try:
                self._ask(self._place, self._area)
            except OSError as error:
                missing = error.filename == "git"
                self._why = "git is not installed" if missing else f"git could not be asked: {error.strerror}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def told(self) -> Checkout | None:
        """Wait for what git says, two seconds at most; None where the area is in no checkout."""
        if self._place is None:
            return None
        changed, untracked = 0, 0
        why = self._why
        if self._question:
            answer = self._question.answer()
            changed, untracked = _counted(answer)
            if len(answer) >= _ANSWER_BYTES:
                pass  # more than is counted differs
            elif not self._question.in_time:
                why = f"git did not answer within {_WITHIN_S:.0f} s"
            elif self._question.status != 0:
                why = "git does not understand this repository"
        differs = "dirty" if changed or untracked else "clean"
        return Checkout(
            folder=long(str(self._place.top)),
            commit=self._commit,
            branch=short(self._branch),
            state="unknown" if why else differs,
            changed=0 if why else changed,
            untracked=0 if why else untracked,
            unknown=short(why),
        )

    def _ask(self, place: _Place, area: Path) -> None:
        from vml_jupyter.environment.asking import Question

        own = self._own_folder(place)
        inherited = {name: value for name, value in self._environ.items() if not name.startswith("GIT_")}
        environ = inherited | {
            "GIT_DIR": str(own),
            "GIT_WORK_TREE": str(place.top),
            "GIT_INDEX_FILE": str(place.folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(place.common / "objects"),
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        overrides = [word for override in _OVERRIDES for word in ("-c", override)]
        command = ["git", "-C", str(area), "--no-pager", *overrides, "status", "--porcelain", "-z"]
        command += ["--ignore-submodules=dirty", "--", "."]
        self._question = self._stack.enter_context(
            Question(command, environ, within_s=_WITHIN_S, limit_bytes=_ANSWER_BYTES)
        )

    def _own_folder(self, place: _Place) -> Path:
        own = Path(self._environ.get("TMPDIR") or "/tmp", f"vml-git-{os.urandom(8).hex()}")  # noqa: S108 - made here
        own.mkdir(mode=0o700)
        self._stack.callback(_remove, own)
        for name in ("info", "refs"):
            (own / name).mkdir()
        (own / "HEAD").write_text(f"{self._commit or 'ref: refs/heads/none'}\n")
        (own / "config").write_text(_configuration(place, sha256=len(self._commit) == 64))
        (own / "info/attributes").write_text("* -filter\n")
        (own / "info/exclude").write_text(read_small(place.common / "info/exclude"))
        return own


def checkout_told(folder: str, read: Callable[[str, int], str]) -> Checkout | None:
    """Return the checkout that a working area elsewhere is, from its files alone; None where it is none.

    Args:
        folder: What the record calls its top.
        read: Returns the beginning of a file of the area, ``.git/HEAD``, and so many bytes at most; '' where there is
            none. What it returns is foreign.
    """
    top = Checkout(folder=long(folder), state="unknown", unknown=_NOT_ASKED)
    if read(".git", _FILE_BYTES).startswith("gitdir:"):  # a worktree's or a submodule's
        return msgspec.structs.replace(top, unknown=_OUTSIDE)
    if not read(".git/HEAD", _FILE_BYTES):
        return None
    commit, branch = _head(lambda name, limit: read(f".git/{name}", limit))
    return msgspec.structs.replace(top, commit=commit, branch=short(branch))


def _find(area: Path) -> _Place | None:
    """Return the checkout around an area; like git, not beyond the file system: that could mount another one."""
    try:
        device = area.stat().st_dev
        for top in (area, *area.parents):
            if top.stat().st_dev != device:
                return None
            if (top / ".git").exists():
                return _place(top)
    except OSError:
        pass
    return None


def _place(top: Path) -> _Place | None:
    folder = top / ".git"
    if folder.is_file():  # a worktree's or a submodule's: "gitdir: ../.git/worktrees/name"
        named = read_small(folder).strip().removeprefix("gitdir:").strip()
        folder = top / named
    common = folder / (read_small(folder / "commondir").strip() or ".")
    return _Place(top, folder, common) if read_small(folder / "HEAD") else None


def _reader(place: _Place) -> Callable[[str, int], str]:
    def read(name: str, limit_bytes: int) -> str:
        shared = "" if name == "HEAD" else read_small(place.common / name, limit_bytes)
        return shared if shared.strip() else read_small(place.folder / name, limit_bytes)

    return read


def _head(read: Callable[[str, int], str]) -> tuple[str, str]:
    """Return the commit and the branch that are checked out, each '' where there is none.

    ``read`` returns so many bytes of a file of the git directory, as text.
    """
    head = read("HEAD", _FILE_BYTES).strip()
    if re.fullmatch(_COMMIT, head):
        return head, ""
    ref = head.removeprefix("ref:").strip()
    if not re.fullmatch(_BRANCH, ref):
        return "", ""
    branch = ref.removeprefix("refs/heads/")
    loose = read(ref, _FILE_BYTES).strip()
    if re.fullmatch(_COMMIT, loose):
        return loose, branch
    packed = read("packed-refs", _REFS_BYTES)
    match = re.search(rf"^({_COMMIT}) {re.escape(ref)}$", packed, re.MULTILINE)
    return (match[1] if match else ""), branch


def _configuration(place: _Place, *, sha256: bool) -> str:
    lines = ["[core]", "\trepositoryformatversion = 1", "\tbare = false"]
    lines += [
        f"\t{key} = {value}" for key, value in re.findall(_COMPARING, read_small(place.common / "config"))
    ]
    lines += ["[extensions]", "\tobjectFormat = sha256"] if sha256 else []
    return "\n".join(lines) + "\n"


def _counted(answer: bytes) -> tuple[int, int]:
    """Return how many tracked files differ, and how many files or folders git does not know."""
    changed = untracked = 0
    fields = iter(answer.split(b"\0"))
    for line in fields:
        if line.startswith(b"??"):
            untracked += 1
        elif line:
            changed += 1
            if line[:1] in b"RC":  # a git older than 2.18 looks for renamed files, and names the old one too
                next(fields, None)
    return changed, untracked


def _remove(own: Path) -> None:
    for name in ("HEAD", "config", "info/attributes", "info/exclude"):
        (own / name).unlink(missing_ok=True)
    for name in ("info", "refs", "."):
        with suppress(OSError):
            (own / name).rmdir()
