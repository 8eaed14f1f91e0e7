"""What a Jupyter says of its use, and what a hostile guest may say instead."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from vml_jupyter.guest.activity import activity, answers

NOW = "Mon, 23 Nov 2026 02:10:00 GMT"
STATUS = b'{"connections": 1, "kernels": 1, "last_activity": "2026-11-23T02:00:00.5Z"}'
ASKED: list[str] = []


@contextmanager
def jupyter(kernels: bytes, status: bytes = STATUS, date: str = NOW, code: int = 200) -> Iterator[int]:
    class Jupyter(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ASKED.append(f"{self.path} {self.headers['Authorization']}")
            self.send_response_only(code)
            self.send_header("Date", date)
            self.end_headers()
            self.wfile.write(kernels if "kernels" in self.path else status)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Jupyter) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("states", "busy"), [([], False), (["idle", "starting"], False), (["idle", "busy"], True)]
)
def test_a_cell_that_runs_is_seen(states: list[str], busy: bool) -> None:
    kernels = "[" + ",".join(f'{{"id": "x", "execution_state": "{state}"}}' for state in states) + "]"
    with jupyter(kernels.encode()) as port:
        found = activity(port, "/base/", "t0ken")
    assert found is not None
    assert (found.busy, found.idle_s) == (busy, 599.5)
    assert ASKED[-1] == "/base/api/status?no_track_activity=1 token t0ken"


@pytest.mark.parametrize(
    "start",
    [
        lambda: jupyter(b"[", STATUS),
        lambda: jupyter(b"[]", b"[]"),
        lambda: jupyter(b"[]", b'{"last_activity": "yesterday"}'),
        lambda: jupyter(b"[]", b'{"last_activity": "2026-11-23T02:00:00"}'),
        lambda: jupyter(b"[]", STATUS, date="soon"),
        lambda: jupyter(b"[]", STATUS, code=403),
        lambda: jupyter(b"[" + b" " * (1 << 20) + b"]", STATUS),
        lambda: jupyter(b"[" * 100_000, STATUS),
    ],
)
def test_what_cannot_be_understood_tells_nothing(start: Callable[[], Iterator[int]]) -> None:
    with start() as port:  # type: ignore[attr-defined]
        assert activity(port, "/", "t") is None


def test_an_answer_is_waited_for_only_so_long() -> None:
    with jupyter(b"[]") as port:
        assert answers(port, "/", "t", 10)
    assert not answers(port, "/", "t", 0.1)


def test_a_guest_that_sends_drop_by_drop_is_given_up() -> None:
    enough = threading.Event()

    def drip(server: socket.socket) -> None:
        link, _ = server.accept()
        with link, suppress(OSError):
            link.sendall(b"HTTP/1.0 200 OK\r\nX: ")
            while not enough.wait(0.01):
                link.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        try:
            assert not answers(server.getsockname()[1], "/", "t", 0.2)
        finally:
            enough.set()
            thread.join()
