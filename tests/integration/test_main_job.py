"""The main job on real parts, by command line: capture, change, restore in a machine, run there, delete."""

from __future__ import annotations

import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
import requests
from demo import environment_text, printed, results, run_here
from nbformat.v4 import new_code_cell, new_notebook

from vml_jupyter.flows import machines
from vml_jupyter.flows.settings import Settings
from vml_jupyter.machine import Host
from vml_jupyter.machine.waiting import wait_until

from .conftest import Vml, processes_naming

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("nothing_left")]


def executed_in(settings: Settings, restored: dict[str, Any]) -> nbformat.NotebookNode:
    return machines.execute(settings, restored["machine"], "dimuon.ipynb")


def test_a_notebook_comes_back_as_it_was(vml: Vml, machine_settings: Settings, dimuon: Path) -> None:
    captured = run_here(dimuon / "dimuon.ipynb")
    taken = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "-m", "as it was", "--release", "4.5.0.1")
    (dimuon / "dimuon.csv").write_text("changed since\n")
    (dimuon / "dimuon.ipynb").write_text("{}")

    restored = vml("restore", taken["entry"])
    assert restored["release"]["system"] == "4.5.0.1"
    assert set(restored) == {"machine", "url", "release", "accelerator", "warm", "seconds"}

    inside = executed_in(machine_settings, restored)
    assert "CernVM 4.5.0.1" in environment_text(inside)
    assert results(inside) == results(captured)
    assert results(inside) != []

    with service_on_loopback() as (port, callers):
        told = what_a_guest_hears_from(port, machine_settings, restored)
    assert "own service: hello" in told
    assert "the host" in told
    assert callers == [], "a guest reached what listens on the host's loopback"

    [listed] = vml("machines")["machines"]
    assert (listed["id"], listed["state"], listed["entry"]) == (
        restored["machine"],
        "running",
        taken["entry"],
    )
    vml("delete", restored["machine"])
    assert vml("machines")["machines"] == []


@pytest.mark.warm("4.5.1.0")
def test_a_stopped_machine_starts_again_with_its_work_though_others_took_its_ports(
    vml: Vml, machine_settings: Settings, dimuon: Path
) -> None:
    entry = vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", "4.5.1.0")["entry"]
    machine = vml("restore", entry)["machine"]
    written = {"type": "file", "format": "text", "content": "written inside"}
    contents(machine_settings, machine, "PUT", "inside.txt", json=written)

    ports = ports_of(machine_settings, machine)
    vml("stop", machine)
    assert vml("machines")["machines"][0]["state"] == "stopped"
    assert processes_naming(machine_settings.machines / machine) == []

    with taken(ports):
        vml("start", machine)
    assert contents(machine_settings, machine, "GET", "inside.txt")["content"] == "written inside"
    assert (
        contents(machine_settings, machine, "GET", "dimuon.csv")["content"]
        == (dimuon / "dimuon.csv").read_text()
    )
    vml("delete", machine)


@contextmanager
def service_on_loopback() -> Iterator[tuple[int, list[str]]]:
    """Listen on this host's loopback, and note who came; one caller from here proves that it would."""
    callers: list[str] = []

    class Service(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            callers.append(self.request.recv(100).decode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.sendall(b"from here")
        wait_until(lambda: callers == ["from here"], 10)
        assert callers.pop() == "from here"
        yield port, callers
        server.shutdown()


KNOCK = """
import socket, socketserver, struct, threading
def knock(name, address, port):
    try:
        with socket.create_connection((address, port), 5) as link:
            link.sendall(b"from a guest")
            link.settimeout(5)
            print(name, link.recv(100).decode() or "closed")
    except OSError as error:
        print(name, repr(error))
class Own(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b"hello")
own = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Own)
threading.Thread(target=own.serve_forever, daemon=True).start()
knock("own service:", "127.0.0.1", own.server_address[1])
routes = [line.split() for line in open("/proc/net/route")][1:]
gateways = {socket.inet_ntoa(struct.pack("<L", int(r[2], 16))) for r in routes if int(r[2], 16)}
for address in sorted({"10.0.2.2", "127.0.0.1", *gateways}):
    knock("the host at " + address + ":", address, PORT)
"""


def what_a_guest_hears_from(port: int, settings: Settings, restored: dict[str, Any]) -> str:
    """Have a notebook in a machine knock on a port of the host's loopback, by every address that could lead there."""
    cell = new_code_cell(KNOCK.replace("PORT", str(port)))
    written = {"type": "notebook", "content": new_notebook(cells=[cell])}
    contents(settings, restored["machine"], "PUT", "knock.ipynb", json=written)
    inside = machines.execute(settings, restored["machine"], "knock.ipynb")
    return "".join(printed(inside.cells[0]))


def ports_of(settings: Settings, machine: str) -> list[int]:
    """Return the ports on 127.0.0.1 that a machine is reached at."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        spec = host.spec(machine)
    return [spec.port]


@contextmanager
def taken(ports: list[int]) -> Iterator[None]:
    """Listen on ports, as another program would."""
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield


def contents(settings: Settings, machine: str, verb: str, path: str, **more: Any) -> Any:
    port = machines.find_machine(settings, machine).port
    headers = {"Authorization": f"token {machines.machine_token(settings, machine)}"}
    answer = requests.request(
        verb, f"http://127.0.0.1:{port}/api/contents/{path}", headers=headers, timeout=30, **more
    )
    answer.raise_for_status()
    return answer.json()


def test_the_command_line_starts_from_the_shell(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "vml", "list"], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "no entries yet" in done.stdout
