"""What an entry says that was captured from a machine: of the machine only libvirt and the guest's boot are missing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from overlay_scene import overlaid
from restic_judge import Restic

from vml_jupyter.flows import areas, machine_capture
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import MachineSpec
from vml_jupyter.model import Entry, Release

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount an overlay")
MACHINE = "abcdefgh1234"


@pytest.fixture
def user(settings: Settings, tmp_path: Path) -> Settings:
    restic = Restic(tmp_path / "repository", "password")
    restic.init()
    return settings.using(logbook=str(restic.folder), logbook_password="password")


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    lower = tmp_path / "lower"
    lower.mkdir()
    (lower / "a.txt").write_text("a")
    (lower / "b.txt").write_text("bb")
    return lower


def captured_after_a_change(
    user: Settings, entry_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Entry:
    """Restore an entry as a machine has it, write a file of three bytes there, and capture."""
    spec = MachineSpec(
        id=MACHINE,
        entry=entry_id,
        release=Release(system="4.5.0.1"),
        folder=user.machines / MACHINE,
        image=folder / "image",
        context_iso=folder / "context",
    )
    spec.folder.mkdir(parents=True)
    with opened(user) as logbook:
        tree = logbook.find(entry_id).tree
        source = areas.Source(logbook=user.logbook, tree=tree)
        (spec.folder / "source.json").write_bytes(msgspec.json.encode(source))
        with overlaid(logbook.repository, folder) as scene:
            (scene.area / "new.txt").write_text("new")
            host = SimpleNamespace(
                get=lambda _: SimpleNamespace(id=MACHINE, state="running"), spec=lambda _: spec
            )

            @contextmanager
            def connected(_: Settings) -> Iterator[Any]:
                yield host

            monkeypatch.setattr(machine_capture, "connected", connected)
            monkeypatch.setattr(machine_capture, "changes_of", lambda *_: scene.telling())
            return machine_capture.capture_machine(user, MACHINE)


def test_what_restic_wrote_is_counted_with_what_is_new(
    user: Settings, lower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot of restic's says nothing of its files, which is not that it has none."""
    environ = {**os.environ, "RESTIC_PASSWORD": "password"}
    command = ["restic", "--no-cache", "-r", user.logbook, "backup", str(lower)]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    (id,) = [row["short_id"] for row in Restic(Path(user.logbook), "password").json("snapshots")]
    entry = captured_after_a_change(user, id, tmp_path, monkeypatch)
    assert (entry.files, entry.bytes) == (3, 6)
    assert entry.parent.startswith(id)
    assert entry.cross_mounts, "as restic captures"


@pytest.mark.parametrize("cross_mounts", [True, False])
def test_mounts_are_told_as_the_restored_entry_has_them(
    user: Settings, lower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cross_mounts: bool
) -> None:
    """A diff with the area goes by it."""
    first = capture(user, lower, cross_mounts=cross_mounts)
    entry = captured_after_a_change(user, first.id, tmp_path, monkeypatch)
    assert (entry.parent, entry.cross_mounts) == (first.id, cross_mounts)
    assert (entry.files, entry.bytes) == (3, 6)
