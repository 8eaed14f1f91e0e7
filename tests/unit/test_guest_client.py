"""The talk with the agent: the real agent on the other end, and then a hostile one."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vml_jupyter.errors import Foreign, MachineGone
from vml_jupyter.guest import AgentClient, agent

Serve = Callable[[Callable[[socket.socket], None]], AgentClient]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Stand in for the hypervisor: take one client after the other on the machine's socket."""
    threads: list[threading.Thread] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "agent.sock"))
    listening.listen()

    def start(guest: Callable[[socket.socket], None]) -> AgentClient:
        def accept() -> None:
            while True:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                with link:
                    try:
                        guest(link)
                    except OSError:
                        continue

        threads.append(threading.Thread(target=accept))
        threads[-1].start()
        return AgentClient(tmp_path / "agent.sock")

    yield start
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for thread in threads:
        thread.join(10)


def real(
    state: agent.State, actions: dict[str, Callable[[], None]] | None = None
) -> Callable[[socket.socket], None]:
    """Answer as the agent does, one request for each connection."""

    def guest(link: socket.socket) -> None:
        line = link.makefile("rb").readline()
        link.sendall(b"\n" + json.dumps(agent.answer(line, state, actions or {})).encode() + b"\n")

    return guest


def saying(reply: Callable[[int], bytes]) -> Callable[[socket.socket], None]:
    def guest(link: socket.socket) -> None:
        link.sendall(reply(json.loads(link.makefile("rb").readline())["id"]))

    return guest


def test_the_real_agents_state_comes_through(serve: Serve) -> None:
    state = agent.State()
    state.set(stage="ready", area="overlay", release={"system": "4.5.0.1"}, versions={"jupyter": "2.14"})
    with serve(real(state)) as client:
        told = client.state()
        assert client.state() == told
    assert (told.stage, told.area, told.release.system, told.versions["jupyter"]) == (
        "ready",
        "overlay",
        "4.5.0.1",
        "2.14",
    )


def test_a_shutdown_is_passed_on(serve: Serve) -> None:
    asked = threading.Event()
    serve(real(agent.State(), {"shutdown": asked.set})).shut_down()
    assert asked.is_set()


def test_the_time_is_passed_on(serve: Serve) -> None:
    told: list[float] = []
    with serve(real(agent.State(), {"clock": told.append})) as client:
        client.set_clock(1800000000.5)
    assert told == [1800000000.5]


def test_a_lost_answer_is_asked_for_again(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vml_jupyter.guest.client._AGAIN_S", 0.2)
    asked: list[int] = []
    answering = real(agent.State())

    def forgetful(link: socket.socket) -> None:
        asked.append(len(asked))
        if len(asked) == 1:
            link.makefile("rb").read()  # until the host gives up
        else:
            answering(link)

    assert serve(forgetful).state(timeout_s=30).stage
    assert asked == [0, 1]


def test_an_order_is_given_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vml_jupyter.guest.client._AGAIN_S", 0.1)
    asked: list[bytes] = []

    def silent(link: socket.socket) -> None:
        asked.append(link.makefile("rb").readline())
        link.recv(1)  # until the host gives up

    with pytest.raises(MachineGone, match="does not answer"):
        serve(silent).shut_down(timeout_s=0.5)
    assert len(asked) == 1


def test_a_refusal_is_foreign(serve: Serve) -> None:
    with pytest.raises(Foreign, match="unknown request"):
        serve(real(agent.State())).shut_down()


def test_answers_to_others_and_broken_lines_are_passed_over(serve: Serve) -> None:
    def reply(number: int) -> bytes:
        stale = b'ate": {}}\n\n{"v": 1, "id": -5, "state": {"stage": "old"}}\n{"v": 1, "id": 2, "state": 7}\n'
        return stale + b'{"v": 1, "id": %d, "state": {"stage": "ready"}}\n' % number

    assert serve(saying(reply)).state().stage == "ready"


@pytest.mark.parametrize(
    "reply",
    [
        lambda number: b"x" * 200_000,
        lambda number: b'{"v": 1, "id": %d, "done": true}\n' % number,
        lambda number: b'{"v": 1, "id": %d, "error": "\\u001b[2J no"}\n' % number,
        lambda number: b'{"pad": "' + b"y" * 100_000 + b'", "v": 1, "id": %d}\n' % number,
    ],
)
def test_what_no_agent_says_is_foreign(serve: Serve, reply: Callable[[int], bytes]) -> None:
    with pytest.raises(Foreign) as caught:
        serve(saying(reply)).state()
    assert "\x1b" not in caught.value.message


def test_a_detail_is_shown_as_one_short_line(serve: Serve) -> None:
    state = agent.State()
    state.set(stage="failed", detail="a\nb\x1b[31m" + "c" * 5000)
    detail = serve(real(state)).state().detail
    assert detail.startswith("a b [31m")
    assert len(detail) <= 500


def test_silence_ends_in_time(serve: Serve) -> None:
    ended = threading.Event()
    client = serve(lambda link: ended.wait(10) and None)
    since = time.monotonic()
    try:
        with pytest.raises(MachineGone):
            client.state(timeout_s=0.2)
    finally:
        ended.set()
    assert time.monotonic() - since < 5


def test_nobody_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineGone):
        AgentClient(tmp_path / "agent.sock").state()
