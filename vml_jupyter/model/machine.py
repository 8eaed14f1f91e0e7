"""A virtual machine that VML made for an entry, as told to people and programs."""

from __future__ import annotations

import msgspec

from vml_jupyter.model.release import Release

NOT_RECORDED = "not recorded"

_HASH_SHOWN = 12


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How large a machine is."""

    cpus: int = 2
    memory_mib: int = 2048
    scratch_gib: int = 20


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which a machine is not what its entry recorded.

    ``what`` is ``release``, ``root_hash`` (the same release, published anew), ``bootloader``, ``repository`` or
    ``path`` (of the system), the name of a CernVM-FS repository, or the path of one whose revision nobody recorded;
    ``recorded`` and ``here`` are for people. ``recorded`` is ``not recorded`` where the entry left it open, so that it
    may be the same or not; ``here`` is ``newest`` for a repository that follows its newest revision.
    """

    what: str
    recorded: str
    here: str

    @property
    def label(self) -> str:
        """Return it in words: ``sft.cern.ch newest instead of revision 7``."""
        # The name of a mount comes from an entry, which may be a colleague's.
        what = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in self.what)
        what = "root hash" if what == "root_hash" else what
        if self.recorded == NOT_RECORDED:
            return f"{what} {self.here} ({NOT_RECORDED})"
        recorded, here = self.recorded, self.here
        if self.what == "root_hash":
            recorded, here = recorded[:_HASH_SHOWN], here[:_HASH_SHOWN]
        return f"{what} {here} instead of {recorded}"


class Arrival(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of a working area has come over to its machine, which gets what it reads and no more.

    ``bytes`` of the ``size`` that its disk has, each counted once. ``reads`` and ``read_bytes`` are what that took from
    the logbook, ``prefetched_bytes`` how much of it before anybody asked.
    """

    bytes: int = 0
    size: int = 0
    reads: int = 0
    read_bytes: int = 0
    prefetched_bytes: int = 0


class Machine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One machine as it stands.

    ``state`` is one of ``starting``, ``running``, ``stopped``, ``suspended``, ``broken``; ``detail`` says why a
    broken one is, and what mends it. ``port`` is
    the port on 127.0.0.1 behind which the guest's Jupyter listens (0 when it does not).
    ``url`` is where a browser on this host opens the notebook; it contains the machine's own token, so
    it is for the user's eyes and never for a log. ``differences`` say in what it is, for as long as it lives, not what
    its entry recorded. ``since`` is when it last began to run, UTC, ISO 8601, '' where it does not. ``arrival``
    says how much of its working area has come over, where that comes as it is read.
    """

    id: str
    entry: str
    release: Release
    state: str
    created: str = ""
    title: str = ""
    notebook: str = ""
    accelerator: str = ""
    shape: Shape = Shape()
    base_url: str = "/"
    port: int = 0
    url: str = ""
    detail: str = ""
    since: str = ""
    differences: tuple[Difference, ...] = ()
    arrival: Arrival | None = None

    @property
    def label(self) -> str:
        """Return what it is, and what it should be: ``CernVM 4.5.1.0 instead of 4.5.0.1``."""
        told = {each.what: each for each in self.differences}
        words = [self.release.label]
        release = told.pop("release", None)
        if release:
            words[0] += f" instead of {release.recorded.removeprefix('CernVM ')}"
        return "; ".join([*words, *(each.label for each in told.values())])

    def __repr__(self) -> str:
        """Say what it is in one line, without the key in its address: notebooks save what they show."""
        return f"<Machine {self.id}, {self.state}: {self.label}, entry {self.entry} {self.title!r}>"


class StandardSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A machine's disk and memory at one moment, kept by the hypervisor.

    ``parent`` is the name of the one that it grew out of, empty for a root; ``current`` is the one that the machine
    was last taken to or reverted to. ``created`` is UTC, ISO 8601. ``memory_bytes`` is 0 where it cannot be told.
    """

    name: str
    parent: str = ""
    created: str = ""
    current: bool = False
    memory_bytes: int = 0
