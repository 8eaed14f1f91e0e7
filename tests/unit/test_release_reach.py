"""Which servers are believed to answer, and for how long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from vml_jupyter.release import reach

URL = "http://server.example:8080/"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reach, "PATIENCE_S", 0.2)
    monkeypatch.setattr("requests.utils.get_environ_proxies", lambda _: {})
    reach.forget()
    yield
    reach.forget()


def test_one_that_answered_and_is_silent_now_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair()
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: here)
    assert reach.answers(URL)
    done = threading.Event()

    def wait(*_: object, **__: object) -> socket.socket:
        done.wait(20)  # as a name does that cannot be resolved
        raise OSError

    monkeypatch.setattr(socket, "create_connection", wait)
    monkeypatch.setattr(reach, "_REMEMBERED_S", 0.0)
    assert not reach.answers(URL)
    done.set()
    there.close()
