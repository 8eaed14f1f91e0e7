"""Walk a working area from the top: every folder with what is in it, a folder before its subfolders.

Folders are opened one below the other by descriptor and never through a symbolic link, so a link put
in the place of a folder while the walk is under way leads nowhere. What is mounted below the area belongs to
it only on request: else a folder is listed and not entered, and a file is passed over.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from vml_jupyter.errors import BadArea
from vml_jupyter.snapshot.descriptor import DEEPEST, Descriptor
from vml_jupyter.snapshot.findings import Findings, Item, printable
from vml_jupyter.snapshot.ignore import FILE_NAME, Rules
from vml_jupyter.snapshot.mounts import mounts_below
from vml_jupyter.snapshot.states import Entry, FolderState, States, encode_entries


class Listing(NamedTuple):
    """A folder as it was listed; see ``states.FolderState``."""

    entries: msgspec.Raw
    subfolders: tuple[int, ...]
    left_out: dict[str, bool]


@dataclass
class Folder:
    """A folder of the area; ``relative`` ends with ``/`` or is '' for the area itself.

    ``items`` holds all but the subfolders. ``descriptor`` is None for a folder that is not entered.
    ``unchanged`` is what is remembered of a folder that is listed as it was then; its ``items`` stay empty.
    ``as_ruled`` tells that in it and above it the same rules hold as when it was remembered.
    ``listing`` is what may be remembered of another: what is left out, and all entries, encoded.
    """

    relative: str
    status: os.stat_result
    descriptor: Descriptor | None = None
    parent: Folder | None = None
    depth: int = 0
    items: list[Item] = field(default_factory=list)
    subfolders: list[Item] = field(default_factory=list)
    unchanged: FolderState | None = None
    as_ruled: bool = False
    listing: Listing | None = None

    @property
    def name(self) -> str:
        return self.relative.rstrip("/").rsplit("/", 1)[-1]

    @property
    def opened(self) -> Descriptor:
        """Return the descriptor of a folder that has items, and so was entered."""
        assert self.descriptor is not None, "a folder that was not entered has no items"
        return self.descriptor


def open_area(area: Path) -> Folder:
    """Open a working area; links on the way to it are followed, none in it.

    Raises:
        BadArea: It is missing, no folder, or cannot be read.
    """
    try:
        descriptor = Descriptor(area.resolve(strict=True))
    except FileNotFoundError:
        raise BadArea(f"{area} does not exist", "Give the folder that the notebook lies in") from None
    except NotADirectoryError:
        raise BadArea(f"{area} is no folder", "Give the folder that the notebook lies in") from None
    except (OSError, RuntimeError) as error:
        raise BadArea(f"{area} cannot be read: {error}", "Check its permissions") from error
    return Folder("", os.fstat(descriptor.number), descriptor)


def walk(
    top: Folder,
    rules: Rules,
    findings: Findings,
    borders: frozenset[str] | None = frozenset(),
    states: States | None = None,
) -> Iterator[Folder]:
    """Yield ``top`` and every folder below it, filled with its items.

    Args:
        top: The area.
        rules: What is left out.
        findings: Where is noted what people should know.
        borders: As from ``borders_of``.
        states: What is remembered of the folders.
    """
    mounted = _by_folder(borders or ())
    stack: list[tuple[Folder, Item] | None] = [None]
    while stack:
        step = stack.pop()
        folder = top if step is None else _enter(*step, borders, findings)
        step = None  # the parent may be closed once its last subfolder is open
        as_ruled = folder.parent is None or folder.parent.as_ruled
        known = states.of(folder.relative) if states and as_ruled else None
        _list(folder, rules, findings, known, mounted.get(folder.relative, frozenset()))
        stack.extend((folder, subfolder) for subfolder in reversed(folder.subfolders))
        yield folder


def borders_of(area: Path, cross_mounts: bool) -> frozenset[str] | None:
    """Return what of ``area`` is mounted there and does not belong to it, None where all does; see ``mounts_below``.

    Args:
        area: The working area.
        cross_mounts: Whether what is mounted below the area belongs to it.
    """
    return None if cross_mounts else mounts_below(area.resolve())


def _by_folder(borders: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the names of what is mounted, by the folder that it is in: ``{"sub/": {"data"}}``."""
    names: dict[str, set[str]] = {}
    for border in borders:
        above, _, name = border.removesuffix("/").rpartition("/")
        names.setdefault(f"{above}/" if above else "", set()).add(name)
    return {folder: frozenset(of_folder) for folder, of_folder in names.items()}


def _enter(parent: Folder, item: Item, borders: frozenset[str] | None, findings: Findings) -> Folder:
    folder = Folder(f"{parent.relative}{item.name}/", item.status, None, parent, parent.depth + 1)
    elsewhere = item.status.st_dev != parent.status.st_dev
    if borders is not None and (elsewhere or folder.relative in borders):
        findings.notes.append(f"{printable(folder.relative)} is another file system and is left empty")
    elif folder.depth > DEEPEST:
        findings.unread(folder.relative, f"more than {DEEPEST} folders deep")
    else:
        try:
            folder.descriptor = Descriptor(item.name, parent.descriptor)
        except OSError as error:
            findings.unread(folder.relative, error)
    return folder


def _list(
    folder: Folder, rules: Rules, findings: Findings, known: FolderState | None, mounted: frozenset[str]
) -> None:
    """Fill ``subfolders`` and, unless nothing in the folder changed, ``items``."""
    if folder.descriptor is None:
        return
    if FILE_NAME in mounted:
        known = None  # its rules hold, but are none that lie in the area and are looked at again
    scan = _scan(folder, folder.descriptor, known.left_out if known else {}, findings)
    if mounted:
        scan = _without(mounted, scan)
    same = known is not None and _is_as_known(scan, known)
    if known and not same and _rules_in(scan.entries) != _rules_in(known.listed()):
        known = None  # what is left out, and what was not, was said by other rules
        scan = _without(mounted, _scan(folder, folder.descriptor, {}, findings))
    folder.as_ruled = known is not None
    if scan.has_rules:
        rules.enter(folder.relative, folder.descriptor.number)
    for name in scan.mounted:
        if rules.ignores(folder.relative + name, is_folder=False):
            findings.ignored += 1
            continue
        findings.notes.append(
            f"{printable(folder.relative + name)} is mounted from elsewhere and is left out"
        )
    if known and same:
        folder.unchanged = known
        folder.subfolders = [Item(scan.entries[place][0], scan.statuses[place]) for place in known.subfolders]
    else:
        _sort_out(folder, scan, rules, known)
    findings.ignored += len(scan.left_out)


@dataclass
class _Scan:
    """What is in a folder, but for what is known to be left out; ``complete`` unless something would not tell.

    ``mounted`` has what is there and no folder, and does not belong to the area.
    """

    entries: list[Entry] = field(default_factory=list)
    statuses: list[os.stat_result] = field(default_factory=list)
    left_out: dict[str, bool] = field(default_factory=dict)
    complete: bool = True
    has_rules: bool = False
    mounted: list[str] = field(default_factory=list)


def _scan(folder: Folder, descriptor: Descriptor, left_out: dict[str, bool], findings: Findings) -> _Scan:
    """Look at everything in a folder once; this is where the time of an unchanged area goes."""
    scan = _Scan()
    entries, statuses = scan.entries, scan.statuses
    try:
        with os.scandir(descriptor.number) as found:
            for entry in found:
                name = entry.name
                if (
                    name in left_out
                    and name != FILE_NAME
                    and entry.is_dir(follow_symlinks=False) == left_out[name]
                ):
                    scan.left_out[name] = left_out[name]
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed since it was listed: it is not there, and that is no fault
                except OSError as error:
                    findings.unread(folder.relative + name, error)
                    scan.complete = False
                    continue
                if name == FILE_NAME:
                    scan.has_rules = True
                statuses.append(status)
                mtime, ctime = status.st_mtime_ns, status.st_ctime_ns
                entries.append((name, status.st_mode, status.st_ino, status.st_size, mtime, ctime))
    except OSError as error:
        findings.unread(folder.relative, error)
        scan.complete = False
    return scan


def _without(mounted: frozenset[str], scan: _Scan) -> _Scan:
    """Return a scan without the files that are mounted, as if they were not there; folders are ``_enter``'s matter.

    The list of mounts tells and not the device: in an overlay each layer's files may have their own, while its
    folders have the overlay's.
    """
    kept = _Scan(left_out=scan.left_out, complete=scan.complete, has_rules=scan.has_rules)
    for entry, status in zip(scan.entries, scan.statuses, strict=True):
        if entry[0] in mounted and not stat.S_ISDIR(entry[1]):
            kept.mounted.append(entry[0])
        else:
            kept.entries.append(entry)
            kept.statuses.append(status)
    kept.complete = kept.complete and FILE_NAME not in kept.mounted
    return kept


def _is_as_known(scan: _Scan, known: FolderState) -> bool:
    return scan.complete and scan.left_out == known.left_out and encode_entries(scan.entries) == known.entries


def _rules_in(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry[0] == FILE_NAME]


def _sort_out(folder: Folder, scan: _Scan, rules: Rules, known: FolderState | None) -> None:
    """Put what is not left out where it belongs; the rules are not asked again about what they let pass before.

    Sockets are nobody's content and stay out.
    """
    passed = known.names() if known else {}
    kept: list[Entry] = []
    places: list[int] = []
    for entry, status in zip(scan.entries, scan.statuses, strict=True):
        name, mode = entry[0], entry[1]
        is_folder = stat.S_ISDIR(mode)
        known_to_pass = name in passed and stat.S_ISDIR(passed[name]) == is_folder
        if not known_to_pass and not stat.S_ISSOCK(mode) and rules.ignores(folder.relative + name, is_folder):
            scan.left_out[name] = is_folder
            continue
        if is_folder:
            places.append(len(kept))
            folder.subfolders.append(Item(name, status))
        elif not stat.S_ISSOCK(mode):
            folder.items.append(Item(name, status))
        kept.append(entry)
    encoded = encode_entries(kept) if scan.complete else None
    if encoded is not None:
        folder.listing = Listing(encoded, tuple(places), scan.left_out)
