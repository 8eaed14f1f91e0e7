"""A machine is handed over only as what it was made to be, as far as both sides know: the real agent tells it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from vml_jupyter.errors import MachineRefused
from vml_jupyter.flows.machines import await_ready, mismatch, noticed
from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest import GuestRelease, agent
from vml_jupyter.machine import Host, MachineSpec
from vml_jupyter.model import Machine, Release
from vml_jupyter.progress import Stopwatch

HASH, ANOTHER = "ab" * 20, "cd" * 20
RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", root_hash=HASH)
TOLD = {
    "system": "4.5.0.1",
    "tag": "cernvm-system-4.5.0.1",
    "root_hash": HASH,
    "bootloader": "2021.05-1",
    "name": "CERN Virtual Machine, version 4.5.0.1",
}


class Jupyter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@dataclass
class Hypervisor:
    """What is asked of the hypervisor while a machine comes up; it runs whatever the test's agent says."""

    made: MachineSpec
    handed_over: list[str] = field(default_factory=list)

    def spec(self, machine_id: str) -> MachineSpec:
        return self.made

    def is_active(self, machine_id: str) -> bool:
        return True

    def console_tail(self, machine_id: str, lines: int = 20) -> str:
        return ""

    def mark_ready(self, machine_id: str) -> Machine:
        self.handed_over.append(machine_id)
        return self.made.machine("running")


@dataclass
class Scene:
    """A machine that has come up: ``state`` is its agent's, behind a socket as the hypervisor keeps one."""

    host: Hypervisor
    state: agent.State

    def ready(self, settings: Settings, **told: str) -> list[str]:
        """Wait for it, as one that tells this of itself, and return the notes."""
        self.state.set(stage="ready", release={**TOLD, **told})
        watch = Stopwatch()
        await_ready(settings, cast("Host", self.host), "m", watch)
        return watch.notes


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr(MachineSpec, "agent_socket", tmp_path / "agent.sock")
    state, listening = agent.State(), socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "agent.sock"))
    listening.listen()
    actions = {"kernel": lambda: None, "clock": lambda _: None}

    def answer() -> None:
        while True:
            try:
                link, _ = listening.accept()
            except OSError:
                return
            with link:
                reply = agent.answer(link.makefile("rb").readline(), state, cast("dict[str, Any]", actions))
                link.sendall(b"\n" + json.dumps(reply).encode() + b"\n")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Jupyter)
    threads = [threading.Thread(target=answer), threading.Thread(target=server.serve_forever)]
    for thread in threads:
        thread.start()
    spec = MachineSpec(
        id="m",
        entry="e",
        release=RELEASE,
        folder=tmp_path,
        image=tmp_path / "image",
        context_iso=tmp_path / "context.iso",
        port=server.server_port,
        token="t",
    )
    yield Scene(Hypervisor(spec), state)
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    server.shutdown()
    server.server_close()
    for thread in threads:
        thread.join(10)


def test_a_machine_that_is_what_it_was_made_to_be_is_handed_over(settings: Settings, scene: Scene) -> None:
    assert scene.ready(settings) == []
    assert scene.host.handed_over == ["m"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"system": "4.5.1.0"}, r"came up as CernVM 4\.5\.1\.0, not as CernVM 4\.5\.0\.1"),
        ({"root_hash": ANOTHER}, rf"with root hash {ANOTHER}, not {HASH}"),
        ({"bootloader": "2020.07-1"}, r"with bootloader 2020\.07-1, not 2021\.05-1"),
        ({"system": "", "root_hash": ANOTHER}, "root hash"),
        ({"system": "\x1b[2J4"}, r"as CernVM \[2J4, not"),
    ],
)
def test_one_that_came_up_as_another_is_refused(
    settings: Settings, scene: Scene, told: dict[str, str], said: str
) -> None:
    with pytest.raises(MachineRefused, match=said) as refused:
        scene.ready(settings, **told)
    assert "--release" in refused.value.hint
    assert scene.host.handed_over == [], "it is not marked as ready"
    starting = scene.host.made.machine("starting")
    assert noticed(cast("Host", scene.host), starting) == starting, "nor later, by somebody who only looks"


def test_one_that_tells_nothing_is_handed_over_with_a_note(settings: Settings, scene: Scene) -> None:
    [note] = scene.ready(settings, system="", root_hash="", bootloader="")
    assert "does not say which CernVM it is" in note
    assert scene.host.handed_over == ["m"]


@pytest.mark.parametrize(
    ("release", "told"),
    [
        (Release(system="4.5.0.1"), GuestRelease(**TOLD)),
        (RELEASE, GuestRelease(system="4.5.0.1")),
        (RELEASE, GuestRelease(system="4.5.0.1", root_hash="HEAD", bootloader="<html>")),
        (Release(system="debian-12", image_sha256="0" * 64), GuestRelease()),
        (Release(system="5-1.0.1", flavour="five"), GuestRelease()),
    ],
)
def test_what_one_side_does_not_know_is_no_difference(release: Release, told: GuestRelease) -> None:
    assert mismatch(release, told) == ""
