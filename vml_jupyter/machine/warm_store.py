"""The warm states that are kept: found, checked, listed, bounded by a quota.

    <data>/warm/<16 hex>/        one state; the name is the digest of what it was made for (its facts)
      state.json                 WarmState: facts, digests, sizes and times of the two files
      memory                     the saved machine, as libvirt writes it
      scratch.qcow2              its disk at that moment; machines get copies
      used                       its time is when a machine was last made of it
    <data>/warm/making/<id>/     a machine that is to become one, or what a crash left of it
    <data>/warm/.draft-* .gone-*  one that is being written, or removed
    <data>/warm/lock             held while one is made
    <data>/warm/wanted           its time is when somebody last asked that making gives way

A state appears whole, by a rename, or not at all. Machines copy from it and depend on nothing in it, so it can be
removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vml_jupyter.machine.warm import Frozen
from vml_jupyter.model import Release, Shape
from vml_jupyter.parsing import parse
from vml_jupyter.replacing import sync_file

_KEY = re.compile(r"[0-9a-f]{16}")
_RECORD = "state.json"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it was when it was made."""

    sha256: str
    size_bytes: int
    modified_ns: int


class WarmState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a warm state; ``jupyter`` tells whether a Jupyter runs in it that can be told who it is."""

    facts: dict[str, str]
    release: Release
    shape: Shape
    accelerator: str
    network: str
    memory: File
    scratch: File
    created: str
    jupyter: bool = True


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A state on the disk, as told to people and programs; ``used`` in seconds since 1970."""

    key: str
    state: WarmState
    size_bytes: int
    used: float


class WarmStore:
    """The folder of warm states.

    Args:
        folder: Where they are; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def making(self) -> Path:
        return self.folder / "making"

    def find(self, facts: Mapping[str, str]) -> tuple[Frozen | None, str]:
        """Return the state that was made for just these facts, and why one that is there cannot be used.

        One that cannot be used is removed.
        """
        folder = self.folder / key_of(facts)
        if not folder.is_dir():
            return None, ""
        state = _read(folder)
        why = _fault(folder, state, facts)
        if state is None or why:
            self.remove(folder.name)
            return None, why
        (folder / "used").touch(mode=0o600)
        return frozen_in(folder, state), ""

    def has(self, facts: Mapping[str, str]) -> bool:
        """Tell whether there is a state for these facts, without looking into it."""
        return (self.folder / key_of(facts) / _RECORD).is_file()

    def keep(self, draft: Path, state: WarmState) -> str:
        """Put a finished state, whose files are in ``draft``, in its place; returns its key."""
        (draft / _RECORD).write_bytes(msgspec.json.encode(state))
        (draft / "used").touch(mode=0o600)
        for file in draft.iterdir():
            sync_file(file)
        key = key_of(state.facts)
        self.remove(key)
        draft.rename(self.folder / key)
        return key

    def listing(self) -> list[Kept]:
        """Return what is kept, the one that was last used first."""
        found = []
        for folder in self._folders():
            state = _read(folder)
            if state is not None:
                found.append(
                    Kept(key=folder.name, state=state, size_bytes=_taken(folder), used=_used(folder))
                )
        return sorted(found, key=lambda kept: kept.used, reverse=True)

    def remove(self, key: str) -> None:
        """Remove a state; nothing happens where there is none."""
        folder = self.folder / key
        gone = self.folder / f".gone-{key}-{os.getpid()}-{time.monotonic_ns()}"
        try:
            folder.rename(gone)  # nobody finds half of it
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    def bound(self, quota_bytes: int) -> list[str]:
        """Remove the states longest unused until the others fit into the quota; return the keys of those removed."""
        removed, kept = [], self.listing()
        while kept and sum(each.size_bytes for each in kept) > quota_bytes:
            removed.append(kept.pop().key)
            self.remove(removed[-1])
        return removed

    def sweep(self) -> None:
        """Clear what crashes leave of states; what they leave of machines is Host.sweep()'s."""
        for folder in self.folder.glob(".[dg]*-*"):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in self._folders():
            if _read(folder) is None:
                self.remove(folder.name)

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return [folder for folder in self.folder.iterdir() if _KEY.fullmatch(folder.name)]


def key_of(facts: Mapping[str, str]) -> str:
    """Return the name of the state that is made for these facts."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:16]


def frozen_in(folder: Path, state: WarmState) -> Frozen:
    return Frozen(
        memory=folder / "memory",
        scratch=folder / "scratch.qcow2",
        memory_sha256=state.memory.sha256,
        scratch_sha256=state.scratch.sha256,
        network=state.network,
    )


def file_of(path: Path, sha256: str) -> File:
    """Return a file as it is now."""
    found = path.stat()
    return File(sha256=sha256, size_bytes=found.st_size, modified_ns=found.st_mtime_ns)


def _fault(folder: Path, state: WarmState | None, facts: Mapping[str, str]) -> str:
    """Return what is wrong with a state, as far as its files' sizes and times tell; '' for nothing."""
    if state is None:
        return "its record cannot be read"
    if state.facts != dict(facts):
        return "its record is another state's"
    for name, file in (("memory", state.memory), ("scratch.qcow2", state.scratch)):
        try:
            if file_of(folder / name, file.sha256) != file:
                return f"its {name} has changed since it was written"
        except OSError as error:
            return f"its {name}: {error.strerror}"
    return ""


def _read(folder: Path) -> WarmState | None:
    try:
        return parse((folder / _RECORD).read_bytes(), WarmState)
    except (OSError, msgspec.DecodeError):
        return None


def _used(folder: Path) -> float:
    try:
        return (folder / "used").stat().st_mtime
    except OSError:
        return 0.0


def _taken(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        try:
            total += file.stat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total
