"""A logbook with two entries, each object of which can be hurt: what the tests of damage and of mending share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.flows.upkeep import check
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Environment, new_entry_id
from vml_jupyter.repository import Finding, Report, Repository
from vml_jupyter.repository.documents import Documents
from vml_jupyter.repository.gotime import format_time
from vml_jupyter.repository.header import read_header
from vml_jupyter.repository.records import LockRecord
from vml_jupyter.snapshot import take

PASSWORD, OTHER = "password", "other"
KINDS = ["config", "keys", "index", "snapshots", "locks", "data", "tree", "header"]
HOW = ["flipped", "cut", "empty", "gone"]


@dataclass
class Scene:
    """A logbook with two entries that share nothing: each area has three files, in packs of its own."""

    settings: Settings
    folder: Path
    areas: dict[str, Path]
    packs: dict[str, dict[str, Path]]
    index: dict[str, Path]
    snapshots: dict[str, Path]

    @property
    def first(self) -> str:
        return next(iter(self.areas))

    @property
    def second(self) -> str:
        return list(self.areas)[1]

    def object(self, kind: str) -> Path:
        """Return the object of this kind that belongs to the first entry."""
        if kind in ("data", "tree", "header"):
            return self.packs[self.first]["data" if kind == "header" else kind]
        if kind == "index":
            return self.index[self.first]
        if kind == "snapshots":
            return self.snapshots[self.first]
        if kind == "config":
            return self.folder / "config"
        return max((self.folder / kind).iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def check(self, read_data: bool = True) -> Report:
        return check(self.settings, read_data=read_data)

    def restore(self, entry: str, target: Path) -> dict[str, bytes]:
        restore_files(self.settings, entry, target)
        return content(target)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def make_scene(settings: Settings, tmp_path: Path) -> Scene:
    """Write the logbook and return it."""
    folder = tmp_path / "logbook"
    logbook = Logbook.create(str(folder), PASSWORD, scrypt_n=1024)
    areas, packs, index, snapshots = {}, {}, {}, {}
    for name in ("one", "two"):
        before = files_of(folder)
        area = tmp_path / name
        (area / "sub").mkdir(parents=True)
        for file in ("a", "b", "sub/c"):
            (area / file).write_bytes(f"{name} {file} ".encode() + bytes(range(256)) * 20)
        entry = add(logbook, area)
        new = files_of(folder) - before
        areas[entry] = area
        packs[entry] = largest_packs(logbook.repository, [path for path in new if path.parts[-3] == "data"])
        index[entry] = max(
            (path for path in new if path.parent.name == "index"), key=lambda path: path.stat().st_size
        )
        (snapshots[entry],) = (path for path in new if path.parent.name == "snapshots")
    logbook.repository.keys.add(OTHER, 1024)
    documents = Documents(
        logbook.repository.upkeep._depot.store,
        logbook.repository.upkeep._depot.key,
        logbook.repository.version,
    )
    lock = LockRecord(time=format_time(10**18 * 4), exclusive=False, hostname="elsewhere", pid=1)
    documents.save("locks", msgspec.json.encode(lock))
    logbook.close()
    settings = settings.using(logbook=str(folder), logbook_password=PASSWORD)
    return Scene(settings, folder, areas, packs, index, snapshots)


def add(logbook: Logbook, area: Path) -> str:
    with logbook.repository.lock():
        taken = take(logbook.repository, area)
        record = Entry(
            id=new_entry_id(), time="2026-01-01T00:00:00Z", title=area.name, environment=Environment()
        )
        return logbook.add(record, taken.tree).id


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def largest_packs(repository: Repository, paths: list[Path]) -> dict[str, Path]:
    """Return the pack of data and the pack of trees that hold the area; its record and root lie in smaller ones."""
    depot = repository.upkeep._depot
    largest: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: path.stat().st_size):
        blobs = read_header(depot.store, depot.key, path.name, path.stat().st_size)
        largest[blobs[0].type] = path
    return largest


def hurt(path: Path, how: str, kind: str) -> None:
    raw = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    elif how == "flipped":
        raw[-40 if kind == "header" else len(raw) // 3] ^= 0x10
        path.write_bytes(raw)
    else:
        path.write_bytes(b"" if how == "empty" else raw[: len(raw) * 2 // 3])


def named(report: Report, path: Path) -> list[Finding]:
    return [finding for finding in report.findings if path.name in finding.object]


def entries_in(report: Report) -> set[str]:
    return {affected.entry for finding in report.findings for affected in finding.affected}
