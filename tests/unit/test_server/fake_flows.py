"""Flows in memory: entries and machines are lists, and nothing boots."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from vml_jupyter.errors import NotFound
from vml_jupyter.flows.doctor import Finding, Report
from vml_jupyter.flows.durability import Durability
from vml_jupyter.flows.secrets import Finding as SecretFinding
from vml_jupyter.flows.secrets import Scan
from vml_jupyter.flows.shown import Image
from vml_jupyter.model import Entry, Environment, Machine, Query, Release, StandardSnapshot
from vml_jupyter.progress import Progress
from vml_jupyter.release import AvailableRelease

OLD = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="mini")
NEW = Release(system="4.5.1.0", bootloader="2021.05-1", flavour="mini")


def entry(number: int, **fields: Any) -> Entry:
    said = {
        "id": f"entry{number}",
        "time": f"2026-01-{number + 1:02}T08:00:00Z",
        "title": f"Fit {number}",
        "notebook": "higgs.ipynb",
        "area": "/home/ada/fits",
        "environment": Environment(release=OLD, packages={"numpy": "2.0"}, python="3.9.2", os="CernVM 4"),
        "files": 3,
        "bytes": 4096,
    }
    return Entry(**{**said, **fields})


def machine(number: int, **fields: Any) -> Machine:
    said = {
        "id": f"m{number}",
        "entry": f"entry{number}",
        "release": OLD,
        "state": "running",
        "title": f"Fit {number}",
        "notebook": "higgs.ipynb",
        "accelerator": "tcg",
        "port": 40000 + number,
        "url": f"http://vml-m{number}.localhost:{40000 + number}/lab/tree/higgs.ipynb?token=secret",
    }
    return Machine(**{**said, **fields})


@dataclass
class FakeFlows:
    """Stands in for ``vml_jupyter.server.flows.Flows``; ``calls`` keeps what was asked for."""

    listed: list[Entry] = field(default_factory=list)
    bin: list[Entry] = field(default_factory=list)
    running: list[Machine] = field(default_factory=list)
    snapshots: dict[str, StandardSnapshot] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    known: dict[str, Durability] = field(default_factory=dict)
    fails_with: Exception | None = None
    hold: threading.Event | None = None

    def entries(self, query: Query) -> list[Entry]:
        self._asked("entries", query)
        return [entry for entry in self.bin if query.forgotten] or [
            entry for entry in self.listed if query.search in entry.title and not query.forgotten
        ]

    def edit(self, entry: str, *, title: str | None, add_tags: Sequence[str], **others: Any) -> Entry:
        self._asked("edit", entry, title, others)
        found = _by_id(self.listed, entry)
        edited = msgspec.structs.replace(found, title=title or found.title, tags=(*found.tags, *add_tags))
        self.listed[self.listed.index(found)] = edited
        return edited

    def forget(self, entry: str) -> Entry:
        self._asked("forget", entry)
        found = _by_id(self.listed, entry)
        self.listed.remove(found)
        self.bin.append(found)
        return found

    def unforget(self, entry: str) -> Entry:
        self._asked("unforget", entry)
        found = _by_id(self.bin, entry)
        self.bin.remove(found)
        self.listed.append(found)
        return found

    def secrets(self, area: Path, progress: Progress) -> Scan:
        self._asked("secrets", area)
        return Scan(
            found=(SecretFinding(path="key.pem", where="line 1", kind="private key"),), files=1, unseen={}
        )

    def is_shared(self) -> bool:
        return False

    def thumbnail(self, entry: str) -> Image | None:
        self._asked("thumbnail", entry)
        _by_id(self.listed, entry)
        return Image(mime="image/png", data="AAAA", bytes=3) if entry == "entry1" else None

    def capture(self, area: Path, *, title: str, progress: Progress, **asked: Any) -> Entry:
        self._asked("capture", area, title, asked)
        progress.stage("take", "Writing the working area into the logbook")
        self._hold(lambda: progress.advance(1, 3, "files"))
        taken = entry(len(self.listed) + 1, title=title or "proposed", note=asked["note"], area=str(area))
        self.listed.insert(0, taken)
        return taken

    def restore(self, entry: str, *, base_url: str, progress: Progress, **asked: Any) -> Any:
        self._asked("restore", entry, base_url, asked)
        _by_id(self.listed, entry)
        progress.stage("boot", "Starting CernVM 4.5.0.1")
        self._hold(lambda: progress.advance(1))
        made = machine(len(self.running) + 1, entry=entry, base_url=base_url.format(machine="m1"))
        self.running.append(made)
        return SimpleNamespace(
            machine=made,
            url=made.url,
            accelerator="tcg",
            warm=False,
            seconds={"boot": 1.0},
            notes=[],
            recipe=None,
        )

    def capture_machine(self, machine: str, *, title: str, progress: Progress, **asked: Any) -> Entry:
        self._asked("capture-machine", machine, title, asked)
        progress.stage("take", "Writing what changed into the logbook")
        parent = _by_id(self.running, machine).entry
        taken = entry(len(self.listed) + 1, title=title or "as restored", parent=parent, machine=machine)
        self.listed.insert(0, taken)
        return taken

    def machines(self) -> list[Machine]:
        self._asked("machines")
        return self.running

    def start(self, machine: str, progress: Progress) -> None:
        self._switch(machine, "running", 40000)

    def stop(self, machine: str, progress: Progress) -> None:
        self._switch(machine, "stopped", 0)

    def suspend(self, machine: str, progress: Progress) -> None:
        self._switch(machine, "suspended", 0)

    def resume(self, machine: str, progress: Progress) -> None:
        self._switch(machine, "running", 40000)

    def idle(self) -> list[str]:
        self._asked("idle")
        return [machine.id for machine in self.running if machine.state == "running"]

    def suspend_idle(self, machine: str, progress: Progress) -> bool:
        self._switch(machine, "suspended", 0)
        return True

    def standard(self, machine: str) -> list[StandardSnapshot]:
        self._asked("standard", machine)
        return list(self.snapshots.values())

    def take_standard(self, machine: str, name: str, progress: Progress) -> StandardSnapshot:
        self._asked("take", machine, name)
        self.snapshots[name] = StandardSnapshot(name=name, current=True)
        return self.snapshots[name]

    def revert(self, machine: str, name: str, progress: Progress) -> None:
        self._asked("revert", machine, name)

    def delete_standard(self, machine: str, name: str, progress: Progress) -> None:
        self._asked("delete-standard", machine, name)
        del self.snapshots[name]

    def doctor(self, again: bool) -> Report:
        self._asked("doctor", again)
        found = Finding(what="KVM", verdict="limited", why="it hangs", fix="do without")
        return Report(can_restore=True, accelerator="tcg", findings=(found,))

    def delete(self, machine: str, progress: Progress) -> None:
        self._asked("delete", machine)
        self.running.remove(_by_id(self.running, machine))

    def console(self, machine: str, lines: int) -> str:
        self._asked("console", machine, lines)
        return f"{_by_id(self.running, machine).id} login:"

    def machine_token(self, machine: str) -> str:
        return f"token-of-{machine}"

    def releases(self) -> list[AvailableRelease]:
        self._asked("releases")
        return [
            AvailableRelease(release=NEW, state="downloadable"),
            AvailableRelease(release=OLD, state="downloadable"),
            AvailableRelease(release=OLD, state="here", path="/images/old.hdd"),
        ]

    def durabilities(self, entry: str, *, asking: bool) -> dict[str, Durability]:
        self._asked("durabilities", entry, asking)
        return {id: known for id, known in self.known.items() if entry in ("", id)}

    def environment(self) -> Environment:
        return Environment(os="Debian 12", python="3.11.2")

    def _asked(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fails_with:
            raise self.fails_with

    def _hold(self, report: Callable[[], None]) -> None:
        report()
        while self.hold and not self.hold.wait(0.005):
            report()

    def _switch(self, machine: str, state: str, port: int) -> None:
        self._asked(state, machine)
        found = _by_id(self.running, machine)
        url = found.url if port else ""
        changed = msgspec.structs.replace(found, state=state, port=port, url=url)
        self.running[self.running.index(found)] = changed


def _by_id(records: list[Any], sought: str) -> Any:
    for record in records:
        if record.id == sought:
            return record
    raise NotFound(f"There is no {sought}", "Look at the list")
