"""Whether what an entry needs is still there: its image, its system, and every repository that it pins.

    entry -> release + pins -> image: here | downloadable | gone | unknown
                               system, repositories: there | gone | unknown      -> Durability, with the choices left

A system is there where its tag still names the recorded root hash. What was mounted without anybody recording its
revision is no pin; it is ``unknown`` for good, so that nobody takes the entry for whole.

The local part is answered at once. What servers tell is remembered (see ``release.pins``), so looking at an entry again
costs nothing, and looking at all of them asks each question once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from vml_jupyter.errors import Choice, PinGone
from vml_jupyter.flows.needs import ImageNeeds, Need
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Pin, Release, pins_of, system_pin, unpinned
from vml_jupyter.release import (
    MOVED,
    Answer,
    ask_pins,
    available,
    system_key,
)

_OFFERED = 3


class Durability(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with one entry.

    ``state`` is ``there`` (everything can be had as it was), ``gone`` (something cannot), ``unknown`` (not everybody
    could be asked, or a revision was not recorded), or ``unnamed`` (it records no release, so one must be chosen).
    ``choices`` say what a restore can be asked for instead of what is gone.
    """

    state: str
    needs: tuple[Need, ...] = ()
    choices: tuple[Choice, ...] = ()


def durability(settings: Settings, entry: Entry, *, asking: bool = True, anew: bool = False) -> Durability:
    """Return how it stands with one entry; see ``durabilities``."""
    return durabilities(settings, [entry], asking=asking, anew=anew)[entry.id]


def durabilities(
    settings: Settings, entries: Iterable[Entry], *, asking: bool = True, anew: bool = False
) -> dict[str, Durability]:
    """Return how it stands with each of these entries, by id.

    Args:
        settings: Where images and servers are.
        entries: Which entries.
        asking: False for what is known without any network, at once.
        anew: True asks also what was answered a moment ago.
    """
    recorded = {entry.id: entry.environment for entry in entries}
    wanted = {entry: (environment.release, pins_of(environment)) for entry, environment in recorded.items()}
    known = _Knowledge(settings, wanted.values(), asking=asking, anew=anew)
    return {
        entry: known.durability(release, pins, unpinned(recorded[entry]))
        for entry, (release, pins) in wanted.items()
    }


def require(settings: Settings, entry: Entry, release: Release, pins: Sequence[Pin]) -> list[str]:
    """Make sure that a machine of this release with these pins can come up; return what is known to be loose.

    The image is not looked for: whoever provides it does.

    Raises:
        PinGone: The system or a repository's revision is gone, or the system's tag names another one; carries what can
            be asked for instead.
    """
    known = _Knowledge(settings, [(release, tuple(pins))], asking=True, anew=False)
    gone = [need for need in known.pinned(release, pins) if need.state == "gone"]
    if gone:
        choices = known.choices(release, gone)
        options = " or ".join(f"--{choice['option']} {choice['value']}" for choice in choices)
        raise PinGone(
            f"entry {entry.id} needs {'; '.join(f'{need.label}, and {need.reason}' for need in gone)}",
            f"`vml restore {entry.id}` gives the files with --to, and a machine that differs with"
            f" {options or '--release'}.",
            choices,
        )
    return [
        f"{path} was mounted, but its revision was not recorded: it will be as it is today"
        for path in unpinned(entry.environment)
    ]


def release_choices(
    settings: Settings, release: Release | None, *, asking: bool, anew: bool = False
) -> tuple[Choice, ...]:
    """Return the releases that can be had as far as is known, those nearest to this one first.

    That is the same one first where it was published anew since it was recorded.

    Args:
        settings: Where images and servers are.
        release: What cannot be had.
        asking: Whether repositories are asked where nothing is known, as on a computer that is new to all this.
        anew: Whether they are asked though something is known, which has turned out to be old.
    """
    for ask in (True,) if anew else (False, True) if asking else (False,):
        lines = available(settings.image_folders(), settings.repositories(), settings.cache, asking=ask)
        there = [line.release for line in lines if line.state in ("here", "downloadable")]
        if there:
            break
    others = [other for other in there if release is None or _is_another(other, release)]
    near = sorted(others, key=lambda other: _distance(other, release))[:_OFFERED]
    return tuple(
        {"option": "release", "value": other.system, "label": _choice_label(other, release)} for other in near
    )


class _Knowledge:
    """What is known of all that some entries need, each thing asked once."""

    def __init__(
        self,
        settings: Settings,
        wanted: Collection[tuple[Release | None, Sequence[Pin]]],
        *,
        asking: bool,
        anew: bool,
    ) -> None:
        self._settings, self._asking = settings, asking
        asked = [pin for release, pins in wanted for pin in (*pins, release and _pin_of(release)) if pin]
        self._answers = ask_pins(
            dict.fromkeys(asked), settings.repositories(), settings.cache, asking=asking, anew=anew
        )
        releases = dict.fromkeys(release for release, _ in wanted if release)
        self._images = ImageNeeds(settings, list(releases), asking=asking)

    def durability(
        self, release: Release | None, pins: Sequence[Pin], loose: Sequence[str] = ()
    ) -> Durability:
        """Return how it stands with a release, these pins, and mounts of which no revision was recorded."""
        needs = [*self.pinned(release, pins), *map(_loose_need, loose)]
        if release is not None:
            needs = [self._images.of(release), *needs]
        states = {need.state for need in needs}
        gone = [need for need in needs if need.state == "gone"]
        if release is None and not gone:
            return Durability(state="unnamed", needs=tuple(needs), choices=self.choices(release, []))
        worst = next((state for state in ("gone", "unknown") if state in states), "there")
        return Durability(
            state=worst, needs=tuple(needs), choices=self.choices(release, gone) if gone else ()
        )

    def pinned(self, release: Release | None, pins: Sequence[Pin]) -> list[Need]:
        """Return how it stands with a system and repositories."""
        needs = [_need("repository", pin.fqrn, pin.label, self._answers[pin]) for pin in pins]
        if release is None:
            return needs
        if release.is_cloud:
            return needs
        pin = _pin_of(release)
        told = (
            self._answers[pin] if pin else Answer(reason="no list tells which systems of this kind there are")
        )
        return [_need("system", release.system, release.label, told), *needs]

    def choices(self, release: Release | None, gone: Sequence[Need]) -> tuple[Choice, ...]:
        """Return what can be asked for instead of what is gone; releases also where none was recorded."""
        loose = [
            {"option": "without-pin", "value": need.name, "label": f"{need.name}, newest revision"}
            for need in gone
            if need.kind == "repository"
        ]
        if release is not None and all(need.kind == "repository" for need in gone):
            return tuple(loose)
        others = release_choices(self._settings, release, asking=self._asking)
        moved = any(need.reason == MOVED for need in gone)
        if moved and self._asking and not any(release and each["value"] == release.system for each in others):
            # The list of systems that is remembered is older than the history in which the tag was looked up.
            others = release_choices(self._settings, release, asking=True, anew=True)
        return (*others, *loose)


def _pin_of(release: Release) -> Pin | None:
    """Return the pin of a system that a history tells of: those of CernVM 3 and 4."""
    return system_pin(release) if release.is_micro else None


def _need(kind: str, name: str, label: str, told: Answer) -> Need:
    return Need(kind=kind, name=name, label=label, state=told.state, reason=told.reason, checked=told.checked)


def _loose_need(path: str) -> Need:
    return Need(
        kind="repository", name=path, label=path, state="unknown", reason="its revision was not recorded"
    )


def _is_another(other: Release, release: Release) -> bool:
    if other.system != release.system or _has_another_bootloader(other, release):
        return True
    return bool(other.root_hash and release.root_hash) and other.root_hash != release.root_hash


def _choice_label(other: Release, release: Release | None) -> str:
    if release is None or other.system != release.system:
        return other.label
    if _has_another_bootloader(other, release):
        return f"{other.label}, started by µCernVM {other.bootloader}"
    return f"{other.label}, as it is published now"


def _has_another_bootloader(other: Release, release: Release) -> bool:
    return bool(other.bootloader and release.bootloader) and other.bootloader != release.bootloader


def _distance(other: Release, release: Release | None) -> tuple[int, ...]:
    """Sort by how far down the versions differ, then by how far apart they are, the newer first."""
    if release is None:
        return tuple(-part for part in system_key(other.system))
    pairs = list(zip(system_key(other.system), system_key(release.system), strict=False))
    same = next((number for number, (one, two) in enumerate(pairs) if one != two), len(pairs))
    one, two = pairs[same] if same < len(pairs) else (0, 0)
    return (-same, abs(one - two), one < two)
