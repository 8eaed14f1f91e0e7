"""Ask the agent inside a machine, over the Unix socket that the hypervisor keeps for it.

    agent.sock   {"v": 1, "id": N, "do": "state"}  ->  {"v": 1, "id": N, "state": {...}}

A guest may run anything, so what comes back is foreign: bounded, typed, and dropped where it answers another
question. The hypervisor accepts one client at a time, hence one short connection for each question.
"""

from __future__ import annotations

import re
import secrets
import socket
import time
from pathlib import Path

import msgspec

from vml_jupyter.errors import Foreign, MachineGone
from vml_jupyter.guest.pickup import GuestConfig
from vml_jupyter.parsing import parse

LINE_LIMIT = 64 * 1024

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SHOWN = 500
_AGAIN_S = 5.0
_ENTROPY = 256


class GuestRelease(msgspec.Struct, frozen=True, kw_only=True):
    """Which release the guest says it is, from its own identity files; '' where it does not know."""

    system: str = ""
    tag: str = ""
    root_hash: str = ""
    bootloader: str = ""
    name: str = ""


class GuestState(msgspec.Struct, frozen=True, kw_only=True):
    """How far a guest is.

    ``stage`` is ``starting``, ``setup``, ``area``, ``jupyter``, ``ready``, ``warm`` or ``failed`` (``detail`` says why,
    and ``lacks`` what the image has not got: ``jupyter``, or a ``setup`` that works). ``area`` is ``overlay``, ``copy``
    or ``empty``; ``app`` is the Jupyter it runs: ``lab``, ``notebook`` or ``server``.
    """

    stage: str
    detail: str = ""
    lacks: str = ""
    area: str = ""
    app: str = ""
    release: GuestRelease = GuestRelease()
    versions: dict[str, str] = {}


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    v: int
    id: int | None = None
    state: GuestState | None = None
    done: bool = False
    error: str = ""


class AgentClient:
    """The agent of one machine.

    Args:
        socket_path: The host's end of the channel.
    """

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, *_: object) -> None:
        return None  # a connection lasts for one question

    def state(self, timeout_s: float = 5.0) -> GuestState:
        """Return how far the guest is.

        Raises:
            MachineGone: Nobody is at the other end, or it does not answer in time.
            Foreign: It answers something that is no state.
        """
        answer = self._ask("state", timeout_s, again=True)
        if answer.state is None:
            raise Foreign("the agent answered without a state")
        return msgspec.structs.replace(answer.state, detail=shown(answer.state.detail))

    def shut_down(self, timeout_s: float = 5.0) -> None:
        """Ask the guest to power itself off; it takes a moment after this returns.

        Raises:
            MachineGone, Foreign: As for state().
        """
        self._ask("shutdown", timeout_s)

    def start_kernel(self, timeout_s: float = 5.0) -> None:
        """Ask the guest to start the notebook's kernel; it goes on after this returns.

        Raises:
            MachineGone, Foreign: As for state().
        """
        self._ask("kernel", timeout_s)

    def set_clock(self, seconds: float, timeout_s: float = 5.0) -> None:
        """Tell the guest what time it is, in seconds since 1970: its clock stood still while it was saved.

        Raises:
            MachineGone, Foreign: As for state().
        """
        self._ask("clock", timeout_s, time=seconds)

    def tell(self, nonce: str, timeout_s: float = 30.0) -> None:
        """Ask the guest to tell what changed in its working area, through the other channel, beginning with ``nonce``.

        Raises:
            MachineGone, Foreign: As for state().
        """
        self._ask("tell", timeout_s, again=True, nonce=nonce)

    def adopt(self, config: GuestConfig, seconds: float, timeout_s: float = 5.0) -> None:
        """Tell a warm machine who it is from now on, and what time it is; it takes a moment after this returns.

        Raises:
            MachineGone, Foreign: As for state(); Foreign also where it is somebody's already.
        """
        entropy = secrets.token_hex(_ENTROPY)
        self._ask("adopt", timeout_s, config=config.checked(), time=seconds, entropy=entropy)

    def _ask(self, verb: str, timeout_s: float, *, again: bool = False, **words: object) -> _Answer:
        """Ask and wait; ``again`` asks once more where no answer came, as one may be lost on a busy host.

        A guest that has not yet noticed that the host's end was opened again drops what it says.
        """
        number = secrets.randbelow(1 << 31)
        request = msgspec.json.encode({"v": 1, "id": number, "do": verb, **words}) + b"\n"
        deadline = time.monotonic() + timeout_s
        while True:
            patience = min(deadline, time.monotonic() + _AGAIN_S) if again else deadline
            try:
                return self._try(request, number, patience)
            except OSError as error:
                if not isinstance(error, TimeoutError) or time.monotonic() >= deadline:
                    raise MachineGone(f"the machine's agent does not answer: {error}") from error

    def _try(self, request: bytes, number: int, deadline: float) -> _Answer:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(max(0.001, deadline - time.monotonic()))
            link.connect(str(self._path))
            link.sendall(request)
            return _receive(link, number, deadline)


def shown(text: str) -> str:
    """Return a guest's text as one short printable line."""
    return _UNPRINTABLE.sub(" ", text)[:_SHOWN].strip()


def _receive(link: socket.socket, number: int, deadline: float) -> _Answer:
    """Read lines until one answers this question; older ones may still be on their way."""
    buffer = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        link.settimeout(left)
        data = link.recv(16384)
        if not data:
            raise ConnectionResetError("the channel was closed")
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            answer = _decode(line)
            if answer is not None and answer.id == number:
                if answer.error:
                    raise Foreign(f"the agent refuses: {shown(answer.error)}")
                return answer
        if len(buffer) > LINE_LIMIT:
            raise Foreign("the agent's answer is too long")


def _decode(line: bytes) -> _Answer | None:
    """Read one line; None for an empty one or the rest of one that was cut off before we came."""
    if len(line) > LINE_LIMIT:
        raise Foreign("the agent's answer is too long")
    try:
        return parse(line, _Answer)
    except msgspec.DecodeError:
        return None
