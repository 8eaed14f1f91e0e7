"""A machine's network: its port, passt, and what takes passt's place."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vml_jupyter.errors import HostError
from vml_jupyter.machine import companion, network
from vml_jupyter.progress import Silent


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    companion.stop_all(tmp_path)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_free_port_is_free_and_a_taken_one_is_not(taken: int) -> None:
    assert network.is_free(network.free_port())
    assert not network.is_free(taken)


def test_passt_listens_where_it_is_told(folder: Path) -> None:
    started = network.start_network(folder, folder / "net.sock")
    if started.kind == "slirp":
        pytest.skip("passt finds no outside interface to copy here")
    assert (folder / "net.sock").is_socket()
    assert not network.is_free(started.port)
    network.stop_network(folder)
    assert network.is_free(started.port)


def test_a_port_that_is_taken_is_changed(folder: Path, taken: int) -> None:
    assert network.start_network(folder, folder / "net.sock", taken).port != taken


def test_without_passt_slirp_takes_its_place_and_says_what_that_means(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    notes = Notes()
    started = network.start_network(folder, folder / "net.sock", 0, "", notes)
    assert (started.kind, started.socket) == ("slirp", None)
    assert "loopback" in notes.notes[0]


def test_passt_can_be_insisted_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(HostError, match="not installed"):
        network.start_network(folder, folder / "net.sock", 0, "passt")


def fake_passt(folder: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    """Put a passt on PATH that ends at once and says why."""
    program = folder / "bin" / "passt"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_a_host_without_a_route_gets_slirp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_passt(folder, monkeypatch, "External interface not usable")
    notes = Notes()
    assert network.start_network(folder, folder / "net.sock", 0, "", notes).kind == "slirp"
    assert "External interface" in notes.notes[0]
    assert not list(folder.glob("*.pid"))


def test_a_port_lost_to_others_every_time_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_passt(folder, monkeypatch, "Failed to bind any port for -t, exiting")
    with pytest.raises(network.PortTaken):
        network.start_network(folder, folder / "net.sock")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("nameserver 192.0.2.53\n", "", []),
        (
            "nameserver 127.0.0.53\n",
            "nameserver 192.0.2.53\nnameserver 2001:db8::53\n",
            ["192.0.2.53", "2001:db8::53"],
        ),
        ("# none\nnameserver\nnameserver x.y\n", "nameserver ::1\n", []),
    ],
)
def test_name_servers_on_the_loopback_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str, told: list[str]
) -> None:
    files = (tmp_path / "first", tmp_path / "second")
    for path, text in zip(files, (first, second), strict=True):
        path.write_text(text)
    monkeypatch.setattr(network, "_RESOLVERS", files)
    assert network.name_servers() == told
